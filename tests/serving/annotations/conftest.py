"""A store in SQLite and in PostgreSQL, for what must hold in both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.annotations.desk import Desk
from tests.serving.annotations.postgres import postgres, programs


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    """The URL of a server that the module's tests share."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "ratings.db")
    url: str = request.getfixturevalue("postgres_url")
    from sqlalchemy import create_engine

    with create_engine(url.replace("postgresql:", "postgresql+psycopg:")).begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return url


@pytest.fixture
def desk(where: str) -> Iterator[Desk]:
    """An empty store."""
    opened = Desk(where)
    yield opened
    opened.close()
