"""Who may use an embedded Hub: a file of names, roles, namespaces and their tokens' salted hashes.

A token is 256 random bits, so one round of SHA-256 is as good as a slow hash: there is nothing to guess. The
salt hides that two lines are of one token. Every line is compared, in constant time. Knows nothing of HTTP.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from zoo.errors import BadInput, UnknownName
from zoo.localhub import names
from zoo.private_file import Watched, changing, read_lines, write_lines

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may: read; write in its namespaces; everything."""
MARK = "mzh_"
"""What every token begins with, so that one that leaked is known for what it is."""

_WHAT = "file of tokens"
_HEADER = (
    "# Tokens of `medzoo hub serve`: name role namespaces salt sha256(salt + token). No token is in here."
)


@dataclass(frozen=True)
class User:
    """One line of a file of tokens."""

    name: str
    role: Role
    namespaces: tuple[str, ...]
    """Those beside the one of its own name."""
    salt: str
    digest: str
    """Both in hexadecimal."""

    def __str__(self) -> str:
        return f"{self.name} {self.role} {','.join(self.namespaces) or '-'} {self.salt} {self.digest}"


def new_user(name: str, role: Role, namespaces: Iterable[str] = ()) -> tuple[str, User]:
    """A fresh token, to be shown once, and the line that is kept.

    Raises:
        BadInput: the name or a namespace is none that a repository's owner can have.
    """
    token, salt = MARK + secrets.token_urlsafe(32), secrets.token_hex(16)
    owners = tuple(dict.fromkeys(namespaces))
    for owner in (name, *owners):
        names.repo_id(owner, "x")
    return token, User(name, role, owners, salt, _digest(salt, token))


def find_user(users: Sequence[User], token: str) -> User | None:
    """The user who sent a token, or None."""
    found = None
    for user in users:
        if hmac.compare_digest(_digest(user.salt, token), user.digest):
            found = user
    return found


def _digest(salt: str, token: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + token.encode("utf-8", "surrogatepass")).hexdigest()


def read_users(path: Path) -> list[User]:
    """The users of a file, whose owner alone may read or write it.

    Raises:
        BadInput: there is no such file, others may read it, or a line is none of `medzoo hub token new`.
    """
    lines = read_lines(path, what=_WHAT, make=f"medzoo hub token new NAME --file {path}")
    users = [_read_line(path, number, line) for number, line in lines]
    known = [user.name for user in users]
    twice = [name for name in known if known.count(name) > 1]
    if twice:
        raise BadInput(f"the {_WHAT} {path} holds two lines of {twice[0]!r}", hint="remove one line")
    return users


def watch_users(path: Path) -> Watched[list[User]]:
    """The users of a file as it is now: one that is taken out ends at the next request."""
    return Watched(path, read_users)


def _read_line(path: Path, number: int, line: str) -> User:
    words = line.split()
    if len(words) == 5:
        name, role, owners, salt, digest = words
        known = next((one for one in ROLES if one == role), None)
        if known and re.fullmatch(r"[0-9a-f]{32} [0-9a-f]{64}", f"{salt} {digest}"):
            namespaces = () if owners == "-" else tuple(owners.split(","))
            for owner in (name, *namespaces):
                names.repo_id(owner, "x")
            return User(name, known, namespaces, salt, digest)
    raise BadInput(
        f"line {number} of the {_WHAT} {path} is none of `medzoo hub token new`", hint="remove the line"
    )


def add_user(path: Path, user: User) -> None:
    """Put a user into a file, which is made if it is not there.

    Raises:
        BadInput: there is a user of that name, or see `read_users`.
    """
    with changing(path, what=_WHAT):
        users = read_users(path) if path.exists() else []
        if user.name in [one.name for one in users]:
            raise BadInput(f"{user.name!r} has a token already", hint=f"medzoo hub token rm {user.name}")
        write_lines(path, [_HEADER, *map(str, [*users, user])], what=_WHAT)


def remove_user(path: Path, name: str) -> None:
    """Take a user out of a file.

    Raises:
        UnknownName: there is none of that name.
        BadInput: see `read_users`.
    """
    with changing(path, what=_WHAT):
        users = read_users(path)
        left = [user for user in users if user.name != name]
        if len(left) == len(users):
            raise UnknownName("user", name, [user.name for user in users])
        write_lines(path, [_HEADER, *map(str, left)], what=_WHAT)
