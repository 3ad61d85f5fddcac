"""The log of acts: who did what to which list or account, never a word of a case."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert, Select, insert, select

from serving.annotations.database import Database, now
from serving.annotations.schema import acts, check


@dataclass(frozen=True)
class Act:
    """One line."""

    made_at: str
    who: str
    act: str
    """`account made`, `password changed`, `account closed`; `signed in`, `sign-in failed`, `signed out`,
    `password change failed`; `made list`, `retried list`, `dropped case`, `closed list`; `exported` with a
    kind, `published`."""
    what: str
    """The name of an account; the id of a list, with a case's number or a repo; `proxy`, where one named
    who signed in."""


def line(who: str, act: str, what: str) -> Insert:
    """A line to be added, by itself or with what it tells of."""
    row = {"made_at": now(), "who": who, "act": act, "what": what}
    check(acts, row)
    return insert(acts).values(**row)


class Acts:
    """The log of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, who: str, act: str, what: str = "") -> None:
        """Add a line."""
        added = line(who, act, what)
        self._database.write(lambda connection: connection.execute(added))

    def all(self) -> list[Act]:
        """Every line, in order."""
        return self._found(select(acts).order_by(acts.c.id))

    def newest(self, most: int) -> list[Act]:
        """The last lines, the newest first."""
        return self._found(select(acts).order_by(acts.c.id.desc()).limit(most))

    def _found(self, asked: Select[Any]) -> list[Act]:
        with self._database.read() as connection:
            return [Act(row.made_at, row.who, row.act, row.what) for row in connection.execute(asked)]
