"""Bytes by key in one file that several processes read and add to, and that a kill cannot spoil.

Records are only ever added, each with checksums of its own, by one process at a time; who reads takes no
lock, looks at whole records alone, and checks them. A kill in the middle of a record leaves a tail that the
next writer cuts off. Nothing is forced to the disk: after a loss of power the checksums tell what is whole.
Knows nothing of what the bytes mean.
"""

import fcntl
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

_MAGIC = b"MZR1"
_HEAD = struct.Struct("<4sIHQI")
"""Magic, checksum of all that follows up to the body, bytes of the key, bytes of the body, checksum of it."""


class RecordFile:
    """A file of records, each kept once."""

    def __init__(self, path: Path, *, most_bytes: int, report: Callable[[str], None]) -> None:
        """The file need not be there yet, in a folder that is. `report` is told of what is damaged."""
        self._path, self._most_bytes, self._report = path, most_bytes, report
        self._places: dict[str, int] = {}
        self._seen = 0
        """Bytes of the file that are known to hold whole records."""

    def get(self, key: str) -> bytes | None:
        """The bytes of that key; None where there are none, or not the ones that were put."""
        try:
            with self._path.open("rb") as file:
                if key not in self._places:
                    self._look(file)
                if key not in self._places:
                    return None
                body = _read(file, self._places[key], key)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._report(f"{self._path} cannot be read: {error.strerror}")
            return None
        if body is None:
            place = self._places.pop(key)
            self._report(f"{self._path} is damaged in the record at byte {place}, which is made anew")
        return body

    def put(self, records: Iterable[tuple[str, bytes]]) -> bool:
        """Add the records whose keys are new; False if not all of them had room.

        Raises:
            OSError: the file cannot be written.
        """
        fits = True
        with os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self._look(file):  # perhaps because another one made the file anew
                self._forget()
            rest = self._look(file)
            if rest:
                self._report(
                    f"{self._path} ends in {rest} bytes half-written or damaged, which are made anew"
                )
                file.truncate(self._seen)
            for key, body in records:
                size = _HEAD.size + len(key.encode()) + len(body)
                if key in self._places:
                    continue
                if self._seen + size > self._most_bytes:
                    fits = False
                    continue
                file.seek(self._seen)
                file.write(_head(key, body))
                file.write(body)
                file.flush()
                self._places[key] = self._seen
                self._seen += size
        return fits

    def _look(self, file: BinaryIO) -> int:
        """Take in whole records that were added; how many bytes after them are none."""
        size = os.fstat(file.fileno()).st_size
        if size < self._seen:  # another one cut it, or it is a new file
            self._forget()
        while self._seen < size:
            file.seek(self._seen)
            found = _next(file)
            if found is None or self._seen + found[1] > size:
                break
            self._places[found[0]] = self._seen
            self._seen += found[1]
        return size - self._seen

    def _forget(self) -> None:
        self._places.clear()
        self._seen = 0


def _head(key: str, body: bytes) -> bytes:
    name = key.encode()
    plain = _HEAD.pack(_MAGIC, 0, len(name), len(body), crc32(body))
    return _HEAD.pack(_MAGIC, crc32(plain + name), len(name), len(body), crc32(body)) + name


def _next(file: BinaryIO) -> tuple[str, int, int, int] | None:
    """Key, size of the whole record, size of its body and the body's checksum; None where no head is."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, checksum, key_bytes, body_bytes, body_checksum = _HEAD.unpack(head)
    name = file.read(key_bytes)
    plain = _HEAD.pack(_MAGIC, 0, key_bytes, body_bytes, body_checksum)
    if magic != _MAGIC or crc32(plain + name) != checksum:
        return None
    return name.decode(), _HEAD.size + key_bytes + body_bytes, body_bytes, body_checksum


def _read(file: BinaryIO, place: int, key: str) -> bytes | None:
    """The body of the record at that place, if it is the key's and whole."""
    file.seek(place)
    found = _next(file)
    if found is None or found[0] != key:
        return None
    body = file.read(found[2])
    return body if len(body) == found[2] and crc32(body) == found[3] else None
