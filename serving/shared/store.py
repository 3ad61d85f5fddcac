"""The database that several servers share: each act a transaction, each failure `DatabaseAway`.

After a failure it is left alone for as long as the vain wait took, so that requests do not each wait for a
server that is away.
It knows no table.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import SQLAlchemyError

from serving import databases
from zoo.errors import DatabaseAway

SHARED = databases.Kind(
    name="the servers' shared database",
    holds="what servers share",
    setting="MEDZOO_SHARED",
    migrations=Path(__file__).parent / "migrations",
    version_table="shared_schema",
    one_at_a_time=6_337_903,
)
ANSWER_S = 5
"""How long PostgreSQL may keep silent."""
LEFT_ALONE_S = 1.0
"""Or longer, if it took longer to fail."""
_PATIENCE = {one: str(ANSWER_S * 1000) for one in ("statement_timeout", "lock_timeout")}
_HASTE = {**_PATIENCE, "synchronous_commit": "off"}
_POSTGRES: Mapping[str, Any] = {
    "answer_s": ANSWER_S + 1,  # the server itself says first what was slow
    "options": {"tcp_user_timeout": ANSWER_S * 1000, "keepalives_idle": ANSWER_S},
}


class Store:
    """One open database. What `act` has written is on disk when it returns; what `count` has written may be
    undone by a power cut."""

    def __init__(self, where: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Open the SQLite file or the URL, and bring its tables up to date.

        Raises:
            BadInput: it cannot be opened, or is of a newer version than this program.
        """
        url = databases.address(where, SHARED)
        self._acts = databases.connect(url, SHARED, writes=True, settings=_PATIENCE, **_POSTGRES)
        self._counts = databases.connect(url, SHARED, writes=True, size=8, settings=_HASTE, **_POSTGRES)
        self._readers = databases.connect(url, SHARED, writes=False, settings=_PATIENCE, **_POSTGRES)
        if url.drivername == "sqlite":
            event.listen(self._counts, "connect", _forgetful)
        self._clock, self._away_until = clock, 0.0
        databases.bring_up_to_date(self._acts, SHARED)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read by.

        Raises:
            DatabaseAway: it does not answer.
        """
        with self._answering(), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def act(self) -> Iterator[Connection]:
        """A transaction that is on disk at the end; Raises: see `read`, and then it may be there or not."""
        with self._answering(), self._acts.begin() as connection:
            yield connection

    @contextmanager
    def count(self) -> Iterator[Connection]:
        """The same for what may be lost."""
        with self._answering(), self._counts.begin() as connection:
            yield connection

    def now(self, connection: Connection) -> float:
        """The time, in seconds, by the clock that all servers share."""
        if connection.dialect.name == "sqlite":  # all of this machine
            return time.time()
        told = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))
        return float(told.scalar_one())

    def close(self) -> None:
        """Close every connection."""
        for engine in (self._acts, self._counts, self._readers):
            engine.dispose()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        began = self._clock()
        if began < self._away_until:
            raise _away("it was away a moment ago")
        try:
            yield
        except SQLAlchemyError as error:
            self._away_until = self._clock() + max(LEFT_ALONE_S, self._clock() - began)
            raise _away(type(getattr(error, "orig", None) or error).__name__) from None


def _away(why: str) -> DatabaseAway:
    return DatabaseAway(
        f"{SHARED.name} does not answer ({why})", hint="ask again in a few seconds", after_s=3
    )


def _forgetful(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
