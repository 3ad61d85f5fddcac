"""The way to the database: SQLite in a file, PostgreSQL by its URL, with the tables of this version.

A password never gets into a message, nor what a statement holds. It knows no table by name.
"""

import os
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
LOCKED_S = 10
"""How long another process may keep an SQLite file to itself."""
_WHERE = "MEDZOO_ANNOTATIONS is a file, or postgresql://USER:PASSWORD@HOST/NAME"
_MIGRATIONS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = 6_337_902
"""Number of the lock that a server holds in PostgreSQL while it makes the tables."""


def address(where: str) -> URL:
    """The URL of a file's name or of a URL.

    Raises:
        BadInput: it is neither, or a file that cannot be: its folder is not there, or it is a folder.
    """
    if "://" not in where:
        return _of_file(Path(where).expanduser().absolute())
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):  # their messages hold the password
        raise BadInput("the address of the ratings' database cannot be read", hint=_WHERE) from None
    kind = url.drivername.partition("+")[0]
    if kind == "sqlite" and url.database not in (None, "", ":memory:"):
        return _of_file(Path(str(url.database)).absolute())
    if kind not in ("postgresql", "postgres"):
        raise BadInput(f"ratings cannot be kept in {url.drivername}", hint=_WHERE)
    return url.set(drivername="postgresql+psycopg")


def check_there(where: str) -> None:
    """See that opening makes no new file.

    Raises:
        BadInput: there is no such file, or what `address` raises.
    """
    url = address(where)
    if url.drivername == "sqlite" and not Path(str(url.database)).is_file():
        raise BadInput(
            f"no such file: {where}", hint="the one that the server was given as MEDZOO_ANNOTATIONS"
        )


def connect(url: URL, *, writes: bool) -> Engine:
    """An engine to read by, or the one to write by, which has one connection.

    Raises:
        NotInstalled: it is PostgreSQL, and its driver is not here.
    """
    if url.drivername == "sqlite":
        if writes:
            _make_private(Path(str(url.database)))
        engine = create_engine(url, hide_parameters=True, pool_size=1 if writes else 5)
        event.listen(engine, "connect", _set_up_sqlite)
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"  # one who reads first could not write after another
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine
    try:
        return create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=1 if writes else 5,
            connect_args={"connect_timeout": CONNECT_S},
        )
    except ImportError:
        raise NotInstalled(
            "the driver of PostgreSQL is not installed", hint="pip install 'medvlm-zoo[postgres]'"
        ) from None


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or change those of an older version. All of it or nothing; of two servers that start
    at once the second waits.

    Raises:
        BadInput: the database cannot be opened, or is of a newer version than this program.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if newer := set(MigrationContext.configure(connection).get_current_heads()) - known:
                raise BadInput(
                    f"the ratings' database {_named(engine.url)} is of a newer version, {max(newer)}",
                    hint="upgrade: pip install --upgrade medvlm-zoo",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        hint = "see that it names a database of ratings"
        if engine.dialect.name == "postgresql":
            hint = "see that the server runs, and that name, user and password are right"
        raise BadInput(
            f"the ratings' database {_named(engine.url)} cannot be opened: {_reason(error, engine.url)}",
            hint=hint,
        ) from None


def _of_file(path: Path) -> URL:
    if path.is_dir():
        raise BadInput(f"the ratings' database {path} is a folder", hint=f"{path}/ratings.db")
    if not path.parent.is_dir():
        raise BadInput(f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
    return URL.create("sqlite", database=str(path))


def _make_private(path: Path) -> None:
    """Make a new file that nobody else can read; what SQLite lays beside it gets the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise BadInput(f"the ratings' database {path} cannot be written: {error.strerror}") from None


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
