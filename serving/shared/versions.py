"""How often something has changed: one row tells a server whether what it knows is what there is."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select, text, update

from serving.shared.schema import versions


def changed(connection: Connection, what: str) -> None:
    """Count a change. Called first in a transaction it also holds off every other change of the same."""
    connection.execute(
        text("INSERT INTO shared_versions (what, version) VALUES (:what, 0) ON CONFLICT (what) DO NOTHING"),
        {"what": what},
    )
    connection.execute(update(versions).where(versions.c.what == what).values(version=versions.c.version + 1))


def read_versions(connection: Connection, whats: Collection[str]) -> Mapping[str, int]:
    """The count of each; 0 where nothing was ever changed."""
    rows = connection.execute(select(versions).where(versions.c.what.in_(whats)))
    return {**dict.fromkeys(whats, 0), **{row.what: row.version for row in rows}}
