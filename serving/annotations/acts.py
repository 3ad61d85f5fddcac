"""The log of acts: who did what to which list or account, never a word of a case."""

from dataclasses import dataclass

from sqlalchemy import insert, select

from serving.annotations.database import Database, now
from serving.annotations.schema import acts


@dataclass(frozen=True)
class Act:
    """One line."""

    made_at: str
    who: str
    act: str
    """Such as `signed in`, `opened list`, `closed list`, `exported`."""
    what: str
    """The id of a list, the name of an account, a format."""


class Acts:
    """The log of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, who: str, act: str, what: str = "") -> None:
        """Add a line."""
        row = {"made_at": now(), "who": who, "act": act, "what": what}
        self._database.write(lambda connection: connection.execute(insert(acts).values(**row)))

    def all(self) -> list[Act]:
        """Every line, in order."""
        with self._database.read() as connection:
            rows = connection.execute(select(acts).order_by(acts.c.id))
            return [Act(row.made_at, row.who, row.act, row.what) for row in rows]
