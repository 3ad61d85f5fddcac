"""A file of secrets' hashes: lines that its owner alone may read, replaced whole, read again when it changes.

Knows nothing of what a line says; `what` names the file in messages, `make` is the command that makes one.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from zoo.errors import BadInput

T = TypeVar("T")


def read_lines(path: Path, *, what: str, make: str) -> list[tuple[int, str]]:
    """The file's lines with their numbers, comments and empty ones left out.

    Raises:
        BadInput: there is no such file, it is no text, or others may read or write it.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            lines = file.read().splitlines()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInput(f"the {what} {path} cannot be read: {reason}", hint=make) from None
    if mode & 0o077:
        raise BadInput(f"the {what} {path} is open to others: mode {mode:o}", hint=f"chmod 600 {path}")
    return [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]


def write_lines(path: Path, lines: Sequence[str], *, what: str) -> None:
    """Whole or not at all, and never open to others, not for a moment.

    Raises:
        BadInput: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BadInput(f"the {what} {path} cannot be written: {error.strerror}") from None


@contextmanager
def changing(path: Path, *, what: str) -> Iterator[None]:
    """Hold the file's folder: of two who change the file at once, neither undoes what the other did.

    Raises:
        BadInput: there is no such folder.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BadInput(f"the {what} {path} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


class Watched(Generic[T]):
    """What a file says now: `read` runs again when the file has changed."""

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        """Raises: what `read` does."""
        self._path, self._read = path, read
        self._found = read(path)
        self._seen = self._state()

    def get(self) -> T:
        """What the file says. Raises: what `read` does, until the file is mended."""
        state = self._state()
        if state is None or state != self._seen:
            self._seen = None
            self._found = self._read(self._path)
            self._seen = state
        return self._found

    def _state(self) -> tuple[int, ...] | None:
        try:
            seen = self._path.stat()
        except OSError:
            return None
        return seen.st_ino, seen.st_mtime_ns, seen.st_size, seen.st_mode
