"""Accounts and the sessions of those who have signed in.

A password is kept as an Argon2id hash; of a session's token, 256 random bits, the sha256 is kept. What an
unknown name costs is what a wrong password costs.
"""

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, insert, select, update

from serving.annotations.acts import Acts, line
from serving.annotations.database import Database, Write, now
from serving.annotations.records import Account, AccountRole
from serving.annotations.schema import accounts, sessions
from serving.defence.keys import LOCAL
from zoo.errors import BadInput, NoKey, UnknownName

ROLES: tuple[AccountRole, ...] = get_args(AccountRole)
SHORTEST, LONGEST = 10, 500
"""Characters of a password; the pages take no more."""
SESSION_HOURS = 12
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash(secrets.token_hex(16))


class Accounts:
    """The accounts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ended = 0
        """Counts up whenever sessions end early, so that what was read before is known for old."""

    def add(self, name: str, role: AccountRole, password: str) -> Account:
        """Make an account.

        Raises:
            BadInput: a name that cannot be, one that is there already, or what `check_password` raises.
        """
        if not _NAME.fullmatch(name) or name == LOCAL:
            raise BadInput(
                f"an account cannot be named {name[:80]!r}", hint="small letters, digits, dots, dashes, @"
            )
        row = {
            "name": name,
            "role": role,
            "password_hash": _hash(password),
            "pseudonym": f"rater-{secrets.token_hex(4)}",
            "made_at": now(),
        }

        def write(connection: Connection) -> None:
            if connection.execute(select(accounts.c.name).where(accounts.c.name == name)).first():
                raise BadInput(f"there is an account named {name!r}", hint=f"medzoo accounts password {name}")
            connection.execute(insert(accounts).values(**row))

        self._database.write(write)
        return self.get(name)

    def get(self, name: str) -> Account:
        """The account of that name.

        Raises:
            UnknownName: there is none.
        """
        found = {one.name: one for one in self.all()}
        if name not in found:
            raise UnknownName("account", name, found)
        return found[name]

    def all(self) -> list[Account]:
        """Every account, by name."""
        with self._database.read() as connection:
            return [_account(row._mapping) for row in connection.execute(select(accounts).order_by("name"))]

    def set_password(self, name: str, password: str) -> None:
        """Give an account another password and end its sessions; one that was closed is open again."""
        self.get(name)
        hashed = _hash(password)

        def write(connection: Connection) -> None:
            connection.execute(
                update(accounts).where(accounts.c.name == name).values(password_hash=hashed, closed_at=None)
            )
            connection.execute(delete(sessions).where(sessions.c.account == name))

        self._end(write)

    def change_password(self, name: str, old: str, new: str) -> str:
        """Give an account another password by the one before. The token of a fresh session; all that were
        before end.

        Raises:
            BadInput: see `check_password`; or the new one is the old.
            NoKey: name and old password do not go together.
        """
        check_password(new)
        kept = self._verify(name, old)
        if new == old:
            raise BadInput("the new password is the old one", hint="choose another")
        hashed = _hash(new)
        token, row = _session(name)

        def write(connection: Connection) -> None:
            _check_kept(connection, name, kept)
            connection.execute(update(accounts).where(accounts.c.name == name).values(password_hash=hashed))
            connection.execute(delete(sessions).where(sessions.c.account == name))
            connection.execute(insert(sessions).values(**row))
            connection.execute(line(name, "password changed", name))

        self._end(write)
        return token

    def close(self, name: str) -> None:
        """Let nobody sign in by this name any more and end its sessions. Its ratings stay."""
        self.get(name)

        def write(connection: Connection) -> None:
            connection.execute(update(accounts).where(accounts.c.name == name).values(closed_at=now()))
            connection.execute(delete(sessions).where(sessions.c.account == name))

        self._end(write)

    def sign_in(self, name: str, password: str) -> str:
        """A session's token.

        Raises:
            NoKey: name and password do not go together.
        """
        kept = self._verify(name, password)
        token, row = _session(name)

        def write(connection: Connection) -> None:
            _check_kept(connection, name, kept)
            connection.execute(delete(sessions).where(sessions.c.ends_at <= now()))
            connection.execute(insert(sessions).values(**row))

        self._database.write(write)
        return token

    def known(self, name: str) -> bool:
        """Whether there is, or was, an account of that name."""
        if not _NAME.fullmatch(name):
            return False
        with self._database.read() as connection:
            asked = select(accounts.c.name).where(accounts.c.name == name)
            return connection.execute(asked).first() is not None

    def named_by_proxy(self, name: str) -> None:
        """Write to the log of acts that a proxy named the account, which signs in nowhere here."""
        Acts(self._database).add(name, "signed in", "proxy")

    def find_name(self, name: str) -> Account | None:
        """The open account of that name."""
        if not _NAME.fullmatch(name):
            return None
        asked = select(accounts).where(accounts.c.name == name, accounts.c.closed_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(asked).first()
        return _account(row._mapping) if row else None

    def find(self, token: str) -> Account | None:
        """Whose session it is, or None if it has ended."""
        asked = (
            select(accounts)
            .join(sessions, sessions.c.account == accounts.c.name)
            .where(sessions.c.token_sha256 == _digest(token), sessions.c.ends_at > now())
            .where(accounts.c.closed_at.is_(None))
        )
        with self._database.read() as connection:
            row = connection.execute(asked).first()
        return _account(row._mapping) if row else None

    def sign_out(self, token: str) -> None:
        """End a session."""
        gone = delete(sessions).where(sessions.c.token_sha256 == _digest(token))
        self._end(lambda connection: connection.execute(gone))

    def _verify(self, name: str, password: str) -> str:
        """The hash of an open account's password, which is the one that is given."""
        kept = self._hash_of(name)
        try:
            _HASHER.verify(kept or _NOBODY, _normal(password))
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            kept = None
        if kept is None:
            raise _refused()
        return kept

    def _end(self, write: Write[Any]) -> None:
        self._database.write(write)
        self.ended += 1

    def _hash_of(self, name: str) -> str | None:
        if not _NAME.fullmatch(name):
            return None
        asked = select(accounts.c.password_hash).where(
            accounts.c.name == name, accounts.c.closed_at.is_(None)
        )
        with self._database.read() as connection:
            return connection.execute(asked).scalar_one_or_none()


def check_password(password: str) -> None:
    """See that it can be one.

    Raises:
        BadInput: it is too short, too long or no text.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        hint = f"at least {SHORTEST}; four words are easy to keep"
        if len(password) > LONGEST:
            hint = f"at most {LONGEST}"
        raise BadInput(f"a password of {len(password)} characters", hint=hint)
    try:
        password.encode()
    except UnicodeEncodeError:
        raise BadInput("the password is no text", hint="letters of any script will do") from None


def _hash(password: str) -> str:
    check_password(password)
    return _HASHER.hash(_normal(password))


def _refused() -> NoKey:
    return NoKey("name and password do not go together", hint="try again, or ask the administrator")


def _check_kept(connection: Connection, name: str, kept: str) -> None:
    """See that nobody closed the account or changed its password while this one was looked at."""
    same = accounts.c.name == name, accounts.c.password_hash == kept, accounts.c.closed_at.is_(None)
    if connection.execute(select(accounts.c.name).where(*same).with_for_update()).first() is None:
        raise _refused()


def _session(name: str) -> tuple[str, dict[str, str]]:
    """A fresh session's token and its row."""
    token = secrets.token_urlsafe(32)
    ends = datetime.now(UTC) + timedelta(hours=SESSION_HOURS)
    return token, {
        "token_sha256": _digest(token),
        "account": name,
        "made_at": now(),
        "ends_at": ends.isoformat(timespec="microseconds"),
    }


def _normal(password: str) -> str:
    """One form for letters that keyboards write in several, such as an o and its two dots."""
    return unicodedata.normalize("NFC", password)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _account(row: Mapping[Any, Any]) -> Account:
    return Account(
        name=row["name"],
        role=row["role"],
        pseudonym=row["pseudonym"],
        made_at=row["made_at"],
        closed_at=row["closed_at"],
    )
