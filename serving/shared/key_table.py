"""The keys that all servers take, as salted digests; see `serving.defence.keys`."""

from sqlalchemy import Connection, delete, insert, select

from serving.defence.keys import ROLES, Key
from serving.shared import schema
from serving.shared.store import Store
from serving.shared.versions import changed
from zoo.errors import BadInput, UnknownName

KEYS = "keys"
"""What their changes are counted by."""


def read_keys(connection: Connection) -> list[Key]:
    """Every key, by name."""
    table = schema.keys
    rows = connection.execute(select(table).order_by(table.c.name))
    return [Key(row.name, role, row.salt, row.digest) for row in rows for role in ROLES if role == row.role]


def add_key(store: Store, key: Key) -> None:
    """Keep a key.

    Raises:
        BadInput: there is one of that name.
        DatabaseAway: the database does not answer.
    """
    with store.act() as connection:
        changed(connection, KEYS)
        if key.name in [one.name for one in read_keys(connection)]:
            raise BadInput(f"there is a key named {key.name!r}", hint=f"medzoo keys rm {key.name}")
        connection.execute(insert(schema.keys).values(**vars(key)))


def remove_key(store: Store, name: str) -> None:
    """Take a key back: no request that begins from now on is let in by it.

    Raises:
        UnknownName: there is none of that name.
        DatabaseAway: the database does not answer.
    """
    with store.act() as connection:
        changed(connection, KEYS)
        names = [key.name for key in read_keys(connection)]
        if name not in names:
            raise UnknownName("key", name, names)
        connection.execute(delete(schema.keys).where(schema.keys.c.name == name))
