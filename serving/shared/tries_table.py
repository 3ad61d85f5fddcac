"""Tries at passwords, counted over all servers; how long to wait is `serving.defence.tries`' to say.

Names and addresses are kept as digests.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, delete, insert, select

from serving.defence.addresses import network_of
from serving.defence.tries import REST_S, Count, Held, Tries
from serving.shared.schema import tries
from serving.shared.store import Store
from serving.shared.versions import changed

T = TypeVar("T")
KNOWN_S = 30 * 86400.0
"""For how long an address from which somebody signed in spares them the waits of others' tries."""


class SharedTries:
    """The tries of all servers; used from any thread. Each call waits for the database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, name: str, address: str) -> float:
        """See `Tries.begin`. Raises: DatabaseAway: the database does not answer."""
        return self._change(name, address, lambda found, now: found.begin(name, address, now=now))

    def won(self, name: str, address: str) -> None:
        """See `Tries.won`. Raises: DatabaseAway: the database does not answer."""
        self._change(name, address, lambda found, _: found.won(name, address))

    def _change(self, name: str, address: str, change: Callable[[Tries, float], T]) -> T:
        keys = _digests(name, address)
        with self._store.act() as connection:
            changed(connection, "tries")  # one at a time
            now = self._store.now(connection)
            rested = (tries.c.last < now - REST_S) & (tries.c.count > 0)
            connection.execute(delete(tries).where(rested | (tries.c.last < now - KNOWN_S)))
            found = Tries.of(name, address, _read(connection, keys, now))
            result = change(found, now)
            held = found.held(name, address)
            known = (0, now) if held.known else (0, 0.0)
            connection.execute(delete(tries).where(tries.c.what.in_(keys)))
            for key, (count, last) in zip(keys, (held.pair, held.address, held.name, known), strict=True):
                if last:
                    connection.execute(insert(tries).values(what=key, count=count, last=last))
        return result


def _read(connection: Connection, keys: Sequence[str], now: float) -> Held:
    """What is known. A try that was made later than now, the clock having been set back, was made now."""
    rows = connection.execute(select(tries.c.what, tries.c.count, tries.c.last).where(tries.c.what.in_(keys)))
    found: dict[str, Count] = {what: (count, min(last, now)) for what, count, last in rows}
    pair, address, name, known = keys
    none = (0, 0.0)
    return Held(found.get(pair, none), found.get(address, none), found.get(name, none), known in found)


def _digests(name: str, address: str) -> tuple[str, str, str, str]:
    address = network_of(address)
    words = (f"pair {name}\n{address}", f"address {address}", f"name {name}", f"known {name}\n{address}")
    pair, of_address, of_name, known = (hashlib.sha256(one.encode()).hexdigest() for one in words)
    return pair, of_address, of_name, known
