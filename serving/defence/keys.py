"""API keys: made, kept in a file as salted hashes, and found again by what a client sends.

A key is 256 random bits, so one round of SHA-256 is as good as a slow hash: there is nothing to guess, and a
slow one would be a way to keep the server busy. The salt hides that two lines are of one key. Every line is
compared, in constant time, so that the time tells nothing. Knows nothing of HTTP.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from zoo.errors import BadInput, UnknownName
from zoo.private_file import Watched, changing, read_lines, write_lines

Role = Literal["read", "annotate", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may: ask and look; rate answers; load and unload adapters."""
LOCAL = "local"
"""The client where there are no keys."""
MARK = "mz_"
"""What every key begins with, so that one that leaked is known for what it is."""

_WHAT = "file of keys"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_HEADER = "# Keys of `medzoo serve`: name role salt sha256(salt + key). The keys themselves are nowhere."


@dataclass(frozen=True)
class Key:
    """One line of a file of keys."""

    name: str
    role: Role
    salt: str
    digest: str
    """Both in hexadecimal."""

    def __str__(self) -> str:
        return f"{self.name} {self.role} {self.salt} {self.digest}"


def new_key(name: str, role: Role) -> tuple[str, Key]:
    """A fresh key, to be shown once, and the line that is kept.

    Raises:
        BadInput: a name that is not 1 to 40 of a-z, 0-9, dot, dash and underscore, or that is `local`.
    """
    if not _NAME.fullmatch(name) or name == LOCAL:
        raise BadInput(
            f"a key cannot be named {name!r}",
            hint=f"small letters, digits, dots, dashes, not {LOCAL}: the name stands in logs",
        )
    token, salt = MARK + secrets.token_urlsafe(32), secrets.token_hex(16)
    return token, Key(name, role, salt, _digest(salt, token))


def find_key(keys: Sequence[Key], token: str) -> Key | None:
    """The key that a client sent, or None."""
    found = None
    for key in keys:
        if hmac.compare_digest(_digest(key.salt, token), key.digest):
            found = key
    return found


def _digest(salt: str, token: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + token.encode()).hexdigest()


def read_keys(path: Path) -> list[Key]:
    """The keys of a file, whose owner alone may read or write it.

    Raises:
        BadInput: there is no such file, others may read it, or a line is none of `medzoo keys new`.
    """
    lines = read_lines(path, what=_WHAT, make=f"medzoo keys new NAME --file {path}")
    keys = [_read_line(path, number, line) for number, line in lines]
    names = [key.name for key in keys]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"the file of keys {path} holds two keys named {twice[0]!r}", hint="remove one line")
    return keys


def _read_line(path: Path, number: int, line: str) -> Key:
    words = line.split()
    if len(words) == 4:
        name, role, salt, digest = words
        hexadecimal = re.fullmatch(r"[0-9a-f]{32} [0-9a-f]{64}", f"{salt} {digest}")
        if _NAME.fullmatch(name) and role in ROLES and hexadecimal:
            return Key(name, role, salt, digest)
    raise BadInput(
        f"line {number} of the file of keys {path} is none of `medzoo keys new`", hint="remove the line"
    )


def add_key(path: Path, key: Key) -> None:
    """Put a key into a file, which is made if it is not there.

    Raises:
        BadInput: there is a key of that name, or see `read_keys`.
    """
    with changing(path, what=_WHAT):
        keys = read_keys(path) if path.exists() else []
        if key.name in [one.name for one in keys]:
            raise BadInput(f"there is a key named {key.name!r}", hint=f"medzoo keys rm {key.name}")
        write_lines(path, [_HEADER, *map(str, [*keys, key])], what=_WHAT)


def remove_key(path: Path, name: str) -> None:
    """Take a key out of a file.

    Raises:
        UnknownName: there is none of that name.
        BadInput: see `read_keys`.
    """
    with changing(path, what=_WHAT):
        keys = read_keys(path)
        left = [key for key in keys if key.name != name]
        if len(left) == len(keys):
            raise UnknownName("key", name, [key.name for key in keys])
        write_lines(path, [_HEADER, *map(str, left)], what=_WHAT)


class KeyFile:
    """The keys of a file as it is now: a key that is taken out ends at the next request."""

    def __init__(self, path: Path) -> None:
        """Raises: see `read_keys`."""
        self._keys = Watched(path, read_keys)

    def find(self, token: str) -> Key | None:
        """The key that a client sent, or None.

        Raises:
            BadInput: the file has become unreadable; until it is mended nobody is let in.
        """
        return find_key(self._keys.get(), token)
