"""The way to a database: SQLite in a file, PostgreSQL by its URL, with the tables of this version.

A password never gets into a message, nor what a statement holds. It knows no table by name.
"""

import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from zoo.errors import BadInput, NotInstalled

CONNECT_S = 5
"""How long a PostgreSQL server may take to answer."""
ANSWER_S = 60.0
"""How long it may keep silent after that, as one whose disk hangs does."""
LOCKED_S = 10
"""How long another process may keep an SQLite file to itself."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a database is for; several kinds may lie in one."""

    name: str
    """As messages call it, such as `the ratings' database`."""
    holds: str
    """What is in it, such as `ratings`."""
    setting: str
    migrations: Path
    version_table: str
    one_at_a_time: int
    """Number of the lock that a server holds in PostgreSQL while it makes the tables."""

    @property
    def where(self) -> str:
        """What its setting may say."""
        return f"{self.setting} is a file, or postgresql://USER:PASSWORD@HOST/NAME"


def address(where: str, kind: Kind) -> URL:
    """The URL of a file's name or of a URL.

    Raises:
        BadInput: it is neither, or a file that cannot be: its folder is not there, or it is a folder.
    """
    if "://" not in where:
        return _of_file(Path(where).expanduser().absolute(), kind)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):  # their messages hold the password
        raise BadInput(f"the address of {kind.name} cannot be read", hint=kind.where) from None
    driver = url.drivername.partition("+")[0]
    if driver == "sqlite" and url.database not in (None, "", ":memory:"):
        return _of_file(Path(str(url.database)).absolute(), kind)
    if driver not in ("postgresql", "postgres"):
        raise BadInput(f"{kind.holds} cannot be kept in {url.drivername}", hint=kind.where)
    return url.set(drivername="postgresql+psycopg")


def check_there(where: str, kind: Kind) -> None:
    """See that opening makes no new file.

    Raises:
        BadInput: there is no such file, or what `address` raises.
    """
    url = address(where, kind)
    if url.drivername == "sqlite" and not Path(str(url.database)).is_file():
        raise BadInput(f"no such file: {where}", hint=f"the one that the server was given as {kind.setting}")


def connect(
    url: URL,
    kind: Kind,
    *,
    writes: bool,
    size: int | None = None,
    answer_s: float = ANSWER_S,
    settings: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> Engine:
    """An engine to read by, or the one to write by, which has one connection unless PostgreSQL gives it
    `size`. `settings` are PostgreSQL's own, beside those that the URL has; `options` are more arguments for
    its driver.

    Raises:
        NotInstalled: it is PostgreSQL, and its driver is not here.
    """
    if url.drivername == "sqlite":
        if writes:
            _make_private(Path(str(url.database)), kind)
        engine = create_engine(url, hide_parameters=True, pool_size=1 if writes else 5)
        event.listen(engine, "connect", _set_up_sqlite)
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"  # one who reads first could not write after another
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine
    said = [str(url.query.get("options", "")), *(f"-c {name}={it}" for name, it in (settings or {}).items())]
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=size or (1 if writes else 5),
            isolation_level="READ COMMITTED",  # whatever the database has by default
            connect_args={"connect_timeout": CONNECT_S, "options": " ".join(said).strip(), **(options or {})},
        )
    except ImportError:
        raise NotInstalled(
            "the driver of PostgreSQL is not installed", hint="pip install 'medvlm-zoo[postgres]'"
        ) from None
    bounded = _bounded(answer_s)
    event.listen(engine, "do_connect", lambda _, __, words, named: bounded(*words, **named))
    return engine


def bring_up_to_date(engine: Engine, kind: Kind) -> None:
    """Make the tables, or change those of an older version. All of it or nothing; of two servers that start
    at once the second waits.

    Raises:
        BadInput: the database cannot be opened, or is of a newer version than this program.
    """
    config = Config()
    config.set_main_option("script_location", str(kind.migrations).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({kind.one_at_a_time})")
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            context = MigrationContext.configure(connection, opts={"version_table": kind.version_table})
            if newer := set(context.get_current_heads()) - known:
                raise BadInput(
                    f"{kind.name} {_named(engine.url)} is of a newer version, {max(newer)}",
                    hint="upgrade: pip install --upgrade medvlm-zoo",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        hint = f"see that it names a database of {kind.holds}"
        if engine.dialect.name == "postgresql":
            hint = "see that the server runs, and that name, user and password are right"
        raise BadInput(
            f"{kind.name} {_named(engine.url)} cannot be opened: {_reason(error, engine.url)}",
            hint=hint,
        ) from None


def _bounded(answer_s: float) -> Callable[..., Any]:
    """What connects to PostgreSQL, each of whose answers comes within `answer_s` or ends the connection. The
    server's own time limits are of no use where it is the server that hangs."""
    import psycopg  # an extra's library

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
            return super().wait(self._in_time(gen), *args, **options)

        def _in_time(self, answer: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            ends = time.monotonic() + answer_s
            try:
                wanted = next(answer)
                while True:
                    ready = yield wanted
                    if not ready and time.monotonic() > ends:
                        self.pgconn.finish()  # so that nobody waits for it again
                        raise psycopg.OperationalError(f"no answer within {answer_s:g} s")
                    wanted = answer.send(ready)
            except StopIteration as done:
                return done.value

    return Bounded.connect


def _of_file(path: Path, kind: Kind) -> URL:
    if path.is_dir():
        raise BadInput(f"{kind.name} {path} is a folder", hint=f"{path}/{kind.holds.split()[-1]}.db")
    if not path.parent.is_dir():
        raise BadInput(f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
    return URL.create("sqlite", database=str(path))


def _make_private(path: Path, kind: Kind) -> None:
    """Make a new file that nobody else can read; what SQLite lays beside it gets the same mode. One that is
    there is not opened: to close it would let go of every lock that this process has on it (fcntl(2)), and
    another process would then take SQLite's log away from under it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise BadInput(f"{kind.name} {path} cannot be written: Permission denied") from None
    except OSError as error:
        raise BadInput(f"{kind.name} {path} cannot be written: {error.strerror}") from None


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """A write-ahead log, so that reading goes on beside writing; each commit waits for the disk; what is
    erased is overwritten, and what sorting or erasing needs lies in memory."""
    connection.isolation_level = None  # transactions are SQLAlchemy's to begin, as savepoints need
    for pragma in (
        f"busy_timeout={LOCKED_S * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _named(url: URL) -> str:
    return str(url.database) if url.drivername == "sqlite" else f"{url.database} at {url.host or 'localhost'}"


def _reason(error: SQLAlchemyError, url: URL) -> str:
    """The first line of what the database said."""
    said = str(error.orig if isinstance(error, DBAPIError) else type(error).__name__).strip()
    line = said.splitlines()[0] if said else type(error).__name__
    return line.replace(url.password, "***") if url.password else line
