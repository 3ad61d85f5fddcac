"""The files of a ZIP archive that somebody uploads, in memory and within bounds. It knows no case.

Nothing is written anywhere, and what an archive says of itself is checked before anything is unpacked.
"""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from zoo.errors import BadInput, ImageTooLarge

MOST_FAULTS = 20
_ENTRY = b"PK\x01\x02"
"""With which an archive's entry in its table of contents begins."""
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
"""What systems put into archives by themselves."""
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RATIO = 100
_FREE_BYTES = 64 * 1024 * 1024
"""Up to which nobody minds how far an archive unpacks: a blank scan packs to nearly nothing."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much an archive may hold."""

    max_bytes: int = 512 * 1024 * 1024
    """As it is sent."""
    max_unpacked: int = 1024 * 1024 * 1024
    """Of all files together."""
    max_files: int = 5000
    max_file: int = 20 * 1024 * 1024
    """Bytes of one file."""


class Faults:
    """All that is wrong with an upload, told at once."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, fault: str) -> None:
        """One more; the same twice is one."""
        if fault not in self._found:
            self._found.append(fault)

    def raise_any(
        self, *, hint: str = "mend the archive and send it again", param: str | None = None
    ) -> None:
        """Raises BadInput with the first `MOST_FAULTS` if there are any."""
        if self._found:
            left = len(self._found) - MOST_FAULTS
            more = (f"and {left} more",) if left > 0 else ()
            raise BadInput("; ".join((*self._found[:MOST_FAULTS], *more)), hint=hint, param=param)


class Files:
    """The files of one archive by their names, which are below its one folder where all are in one."""

    def __init__(self, data: bytes, *, bounds: Bounds, faults: Faults) -> None:
        """Look at what the archive says of its files.

        Raises:
            ImageTooLarge: it is too long, holds too many files, or unpacks to too much.
            BadInput: it is no ZIP archive.
        """
        if len(data) > bounds.max_bytes:
            raise _too_much(f"{len(data)} bytes, the limit is {bounds.max_bytes}")
        if (count := data.count(_ENTRY)) > bounds.max_files:
            raise _too_much(f"{count} files, the limit is {bounds.max_files}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            entries = [one for one in self._zip.infolist() if not _is_litter(one)]
        except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, EOFError):
            raise BadInput("the file is no ZIP archive, or a broken one", hint="send one ZIP file") from None
        unpacked = sum(one.file_size for one in entries)
        if unpacked > bounds.max_unpacked or unpacked > _FREE_BYTES + _RATIO * len(data):
            raise _too_much(f"files of {unpacked} bytes when unpacked, the limit is {bounds.max_unpacked}")
        self._bounds, self._faults = bounds, faults
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for one in entries:
            self._take(one)
        self._unasked = set(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None, and a fault, if they are broken."""
        self._unasked.discard(name)
        try:
            with self._zip.open(self._entries[name]) as file:
                return file.read(self._entries[name].file_size)  # and nothing that it did not tell of
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError):
            self._faults.add(f"{shown(name)}: it is broken and cannot be unpacked")
            return None

    def unread(self) -> Iterator[str]:
        """Files that nobody asked for."""
        yield from sorted(self._unasked)

    def below(self, marks: tuple[str, ...]) -> None:
        """If none of the files `marks` is there and all are in one folder, call them by their names in it."""
        folders = {name.partition("/")[0] for name in self._entries}
        if len(folders) == 1 and not any(mark in self._entries for mark in marks):
            (folder,) = folders
            self._entries = {name.removeprefix(f"{folder}/"): one for name, one in self._entries.items()}
            self._unasked = set(self._entries)

    def _take(self, one: zipfile.ZipInfo) -> None:
        name = one.filename.replace("\\", "/")
        mode = one.external_attr >> 16
        if name.startswith("/") or re.match("[A-Za-z]:", name):
            self._faults.add(f"{shown(name)}: the path is absolute")
        elif ".." in name.split("/"):
            self._faults.add(f"{shown(name)}: the path leads out of the archive")
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            self._faults.add(f"{shown(name)}: it is a link or no plain file")
        elif one.flag_bits & 0x1:
            self._faults.add(f"{shown(name)}: it is encrypted")
        elif one.compress_type not in _PACKED:
            self._faults.add(f"{shown(name)}: it is packed in an unusual way; use deflate")
        elif one.file_size > self._bounds.max_file:
            self._faults.add(
                f"{shown(name)}: it has {one.file_size} bytes, the limit is {self._bounds.max_file}"
            )
        elif name in self._entries:
            self._faults.add(f"{shown(name)}: it is there twice")
        else:
            self._entries[name] = one


def shown(name: str) -> str:
    """A name as a fault tells it, to whoever sent it."""
    return repr(name[:80])


def _is_litter(one: zipfile.ZipInfo) -> bool:
    return (
        one.is_dir() or one.filename.startswith(_LITTER[0]) or one.filename.rpartition("/")[2] in _LITTER[1:]
    )


def _too_much(what: str) -> ImageTooLarge:
    return ImageTooLarge(f"the archive has {what}", hint="send the cases in several lists")
