"""Large files, kept by the sha256 of their bytes. Knows nothing of repositories or HTTP.

An object is written beside its place, hashed on the way, forced to disk, and only then moved to its
name in one step: what is there is whole.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.localhub import names
from zoo.localhub.disk import force_to_disk
from zoo.localhub.errors import BadObject

CHUNK_BYTES = 1 << 20


class Objects:
    """A folder of files named by their content."""

    def __init__(self, folder: Path, incoming: Path) -> None:
        """`incoming` holds half-written files; it must be on the file system of `folder`."""
        self._folder = folder
        self._incoming = incoming
        folder.mkdir(parents=True, exist_ok=True)
        incoming.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the object lies, whether or not it is there.

        Raises:
            BadRequest: `sha256` is none.
        """
        names.sha256(sha256)
        return self._folder / sha256[:2] / sha256[2:4] / sha256

    def size(self, sha256: str) -> int | None:
        """The object's size in bytes; None if it is not there."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    @contextmanager
    def incoming(self) -> Iterator["Incoming"]:
        """A place to write a new object's bytes; without `keep()` nothing stays of them."""
        new = Incoming(self, self._incoming)
        try:
            yield new
        finally:
            new.discard()

    def prune(self, wanted: set[str], *, before_s: float, dry_run: bool) -> tuple[int, int]:
        """Delete objects outside `wanted` from before that time; return (count, bytes)."""
        count = freed = 0
        for path in self._folder.glob("??/??/*"):
            stat = path.stat()
            if path.name not in wanted and stat.st_mtime < before_s:
                if not dry_run:
                    path.unlink()
                count, freed = count + 1, freed + stat.st_size
        return count, freed


class Incoming:
    """An object on its way in."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._file = tempfile.NamedTemporaryFile(dir=folder, prefix="object-", delete=False)  # noqa: SIM115
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def keep(self, *, sha256: str | None = None, size: int | None = None) -> str:
        """Move the bytes to their place; return their sha256.

        Raises:
            BadObject: they are not of the `sha256` or the `size` that was announced.
        """
        found = self._hash.hexdigest()
        if size is not None and size != self.size:
            raise BadObject(f"{self.size} bytes came, {size} were announced")
        if sha256 is not None and sha256 != found:
            raise BadObject(f"the bytes have the sha256 {found}, {sha256} was announced")
        self._file.close()
        force_to_disk([Path(self._file.name)])
        place = self._objects.path(found)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._file.name, place)
        force_to_disk([place])
        return found

    def discard(self) -> None:
        """Forget the bytes unless they were kept."""
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)


def git_sha1(path: Path) -> str:
    """The id that git would give the file's bytes as a blob, read in chunks."""
    return _hashed(path, hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False))


def sha256_of(path: Path) -> str:
    """The sha256 of the file's bytes, read in chunks."""
    return _hashed(path, hashlib.sha256())


def _hashed(path: Path, digest: "hashlib._Hash") -> str:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
