"""The way to the ratings' database; see `serving.databases`."""

from pathlib import Path

from sqlalchemy import URL, Engine

from serving import databases

RATINGS = databases.Kind(
    name="the ratings' database",
    holds="ratings",
    setting="MEDZOO_ANNOTATIONS",
    migrations=Path(__file__).parent / "migrations",
    version_table="alembic_version",
    one_at_a_time=6_337_902,
)


def address(where: str) -> URL:
    """See `databases.address`."""
    return databases.address(where, RATINGS)


def check_there(where: str) -> None:
    """See `databases.check_there`."""
    databases.check_there(where, RATINGS)


def connect(url: URL, *, writes: bool) -> Engine:
    """See `databases.connect`."""
    return databases.connect(url, RATINGS, writes=writes)


def bring_up_to_date(engine: Engine) -> None:
    """See `databases.bring_up_to_date`."""
    databases.bring_up_to_date(engine, RATINGS)
