"""The database: SQLite in a file by default, PostgreSQL by its URL; opened, brought up to date, written to.

All writes go through one thread, which commits what waits together: a commit waits for the disk, and one wait
does for many clicks. A write that is reported done is on disk. Reads use connections of their own. It knows
no table.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from zoo.errors import BadInput, Stopped

T = TypeVar("T")
Write = Callable[[Connection], T]
MOST_AT_ONCE = 500
"""Writes that share a commit."""
_MIGRATIONS = Path(__file__).parent / "migrations"


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
        self._engine = _engine(where)
        _migrate(self._engine, where)
        self._waiting: queue.SimpleQueue[tuple[Write[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="annotations", daemon=True)
        self._thread.start()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read by; it sees what was committed."""
        with self._engine.connect() as connection:
            yield connection

    def begin(self, write: Write[T]) -> "Future[T]":
        """Run `write` in the writer's thread, in a transaction; done once it is on disk. What it raises
        undoes it alone, and is the future's.

        Raises:
            Stopped: the database is closed.
        """
        if self._closed:
            raise Stopped("the ratings' database is closed")
        done: Future[T] = Future()
        self._waiting.put((write, done))
        return done

    def write(self, write: Write[T]) -> T:
        """The same, waited for."""
        return self.begin(write).result()

    def close(self) -> None:
        """Write what waits, then close."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._waiting.get()]
            while len(batch) < MOST_AT_ONCE and batch[-1] is not None and not self._waiting.empty():
                batch.append(self._waiting.get())
            ended = batch[-1] is None
            self._commit([one for one in batch if one is not None])

    def _commit(self, batch: list[tuple[Write[Any], "Future[Any]"]]) -> None:
        ended: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._engine.begin() as connection:
                for write, done in batch:
                    try:
                        with connection.begin_nested():
                            ended.append((done, write(connection), None))
                    except Exception as fault:  # whoever asked for it is told
                        ended.append((done, None, fault))
        except Exception as fault:  # nothing of the batch is on disk
            ended = [(done, None, fault) for _, done in batch]
        for done, result, error in ended:
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)


def _engine(where: str) -> Engine:
    try:
        url = make_url(where if "://" in where else f"sqlite:///{Path(where).expanduser().resolve()}")
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url, pool_pre_ping=True)
    except (ArgumentError, ImportError) as error:
        raise BadInput(
            f"the ratings' database cannot be opened: {type(error).__name__}",
            hint="MEDZOO_ANNOTATIONS is a file, or postgresql://USER@HOST/NAME",
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """A write-ahead log, so that reading goes on beside writing; each commit waits for the disk."""
    connection.isolation_level = None  # transactions are SQLAlchemy's to begin, as savepoints need
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten


def _migrate(engine: Engine, where: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise BadInput(
            f"the ratings' database cannot be opened: {type(error).__name__}",
            hint="see that MEDZOO_ANNOTATIONS names a file that can be written, or a server that runs",
        ) from None
