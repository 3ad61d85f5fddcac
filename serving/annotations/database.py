"""The database: read from by many, written to in groups.

All writes go through one thread, which commits what waits together: a commit waits for the disk, and one wait
does for many clicks. A write that is reported done is on disk. Reads use connections of their own. It knows
no table.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFree

from serving.annotations import opening
from zoo.errors import Busy, Stopped

T = TypeVar("T")
Write = Callable[[Connection], T]
Waiting = tuple[Write[Any], "Future[Any]"]
MOST_AT_ONCE = 500
"""Writes that share a commit."""


def now() -> str:
    """The time as the tables keep it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class Database:
    """One open database."""

    def __init__(self, where: str) -> None:
        """Open the SQLite file or the URL, make it where it is not there, and bring its tables up to date.

        Raises:
            BadInput: it cannot be opened, or is of a newer version than this program.
        """
        url = opening.address(where)
        self._writer = opening.connect(url, writes=True)
        self._readers = opening.connect(url, writes=False)
        opening.bring_up_to_date(self._writer)
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._turn = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="annotations", daemon=True)
        self._thread.start()
        if self.dialect == "sqlite" and self._erasing():
            self._overwrite()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._writer.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read by; it sees what was committed.

        Raises:
            Busy: the database does not answer.
        """
        try:
            with self._readers.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            if _of_the_database(error):
                raise _failed(error) from None
            raise

    def begin(self, write: Write[T]) -> "Future[T]":
        """Run `write` in the writer's thread, in a transaction; done once it is on disk. What it raises
        undoes it alone, and is the future's; `Busy` if the database fails. It may run twice, the first time
        undone.

        Raises:
            Stopped: the database is closed.
        """
        done: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise Stopped("the ratings' database is closed")
            self._waiting.put((write, done))
        return done

    def write(self, write: Write[T]) -> T:
        """The same, waited for."""
        return self.begin(write).result()

    def erase(self, write: Write[T]) -> T:
        """The same for a write that deletes: SQLite's files hold nothing of it any more when this returns,
        and if the process ends before, when they are next opened. When PostgreSQL uses the room again is
        that server's affair."""
        if self.dialect != "sqlite":
            return self.write(write)

        def marked(connection: Connection) -> T:
            connection.exec_driver_sql("PRAGMA user_version=1")
            return write(connection)

        result = self.write(marked)
        self._overwrite()
        return result

    def close(self) -> None:
        """Write what waits, then close."""
        with self._closing:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()
        self._readers.dispose()
        self._writer.dispose()

    def _erasing(self) -> bool:
        with self.read() as connection:
            return bool(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    def _overwrite(self) -> None:
        """Write SQLite's file anew, since pages that were ever split hold words beside their rows, and empty
        its log.

        Raises:
            Busy: it could not be done; it will be when the file is next opened.
        """
        with self._turn, closing(self._writer.raw_connection()) as pooled:
            sqlite: Any = pooled.driver_connection
            try:
                sqlite.execute("VACUUM")
                held, _, _ = sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not held:
                    sqlite.execute("PRAGMA user_version=0")
                    return
            except sqlite3.Error:
                held = True
        raise Busy("what was erased may still lie in the ratings' file, which others are reading or is full")

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._waiting.get()]
            while len(batch) < MOST_AT_ONCE and batch[-1] is not None and not self._waiting.empty():
                batch.append(self._waiting.get())
            ended = batch[-1] is None
            wanted = [one for one in batch if one is not None and one[1].set_running_or_notify_cancel()]
            with self._turn:
                self._commit(wanted)

    def _commit(self, batch: Sequence[Waiting]) -> None:
        """Run the writes in one transaction; where one is refused, again, each apart from the others; where
        the database fails, each in a transaction of its own until it fails again."""
        try:
            if not self._together(batch, apart=False):
                self._together(batch, apart=True)
        except SQLAlchemyError:
            for place, one in enumerate(batch):
                try:
                    self._together([one], apart=True)
                except SQLAlchemyError as error:
                    for _, done in batch[place:]:
                        done.set_exception(_failed(error))
                    return

    def _together(self, batch: Sequence[Waiting], *, apart: bool) -> bool:
        """Run the writes in one transaction and tell each how it ended: with savepoints, which cost as much
        as a click, or without. False: without, and one was refused; nothing is kept and nobody told.

        Raises:
            SQLAlchemyError: the database failed before the commit; nothing is kept and nobody told.
        """
        ended: list[tuple[Future[Any], Any, Exception | None]] = []
        with self._writer.connect() as connection, connection.begin() as transaction:
            for write, done in batch:
                try:
                    with connection.begin_nested() if apart else nullcontext():
                        ended.append((done, write(connection), None))
                except Exception as fault:  # whoever asked for it is told
                    if _of_the_database(fault):
                        raise
                    if not apart:
                        transaction.rollback()
                        return False
                    ended.append((done, None, fault))
            try:
                transaction.commit()
            except SQLAlchemyError as error:  # it may be on disk or not, so it is not tried again here
                ended = [(done, None, _failed(error)) for _, done in batch]
        for done, result, refused in ended:
            if refused is None:
                done.set_result(result)
            else:
                done.set_exception(refused)
        return True


def _of_the_database(fault: Exception) -> bool:
    """Whether it is the database that failed, which may have undone more than one write, or the write."""
    of_the_write = IntegrityError | DataError | ProgrammingError
    return isinstance(fault, NoneFree) or (
        isinstance(fault, DBAPIError) and not isinstance(fault, of_the_write)
    )


def _failed(error: SQLAlchemyError) -> Busy:
    kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
    return Busy(f"the ratings' database failed: {kind}")
