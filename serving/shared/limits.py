"""How much one client may ask of all servers together: its bucket, and what is under way.

A request under way is a row of the server that answers it. It counts for as long as that server says that it
lives, so what a killed one had under way ends by itself.
"""

import secrets
import threading

from sqlalchemy import Connection, bindparam, text

from serving.defence.pace import Quota, Verdict
from serving.shared.store import Store
from zoo.errors import DatabaseAway

BEAT_S = 5.0
LIVES_S = 20.0
"""How long a server counts as alive after it last said so."""
RESTED_S = 3600.0
"""After so long without a request a client's bucket is forgotten, or when it is full, if that is later."""

_NEW_BUCKET = text(
    "INSERT INTO shared_buckets (client, tokens, filled_at) VALUES (:client, :burst, :now) "
    "ON CONFLICT (client) DO NOTHING"
)
_COUNT = text(
    "SELECT count(*) FROM shared_under_way JOIN shared_servers USING (server) "
    "WHERE client = :client AND until > :now AND until < :beyond"
)
_FILL = text("UPDATE shared_buckets SET tokens = :tokens, filled_at = :now WHERE client = :client")
_BEGIN = text("INSERT INTO shared_under_way (id, client, server) VALUES (:id, :client, :server)")
_END = text("DELETE FROM shared_under_way WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
_GONE = text("DELETE FROM shared_servers WHERE until < :before OR until > :beyond")
_LIVE = text(
    "INSERT INTO shared_servers (server, until, per_minute, burst, at_once) "
    "VALUES (:server, :until, :per_minute, :burst, :at_once) "
    "ON CONFLICT (server) DO UPDATE SET until = excluded.until"
)
_QUOTAS = text(
    "SELECT DISTINCT per_minute, burst, at_once FROM shared_servers "
    "WHERE until > :now AND until < :beyond AND per_minute IS NOT NULL ORDER BY 1, 2, 3"
)


class SharedLimits:
    """The quota of each client, over all servers; used from any thread. Each call waits for the database."""

    def __init__(self, store: Store, quota: Quota) -> None:
        """Raises: DatabaseAway: the database does not answer."""
        self._store, self._quota = store, quota
        self._server = secrets.token_hex(16)
        self._lock = threading.Lock()
        self._left: list[str] = []
        """Requests that have ended, perhaps without the database having been told."""
        self.beat()

    def enter(self, client: str) -> tuple[Verdict, str]:
        """A request has come; with its id, by which one that is allowed must `leave`.

        Raises:
            DatabaseAway: the database does not answer.
        """
        request = secrets.token_hex(16)
        try:
            with self._store.count() as connection:
                return self._enter(connection, client, request), request
        except DatabaseAway:
            self._note(request)  # it may have been kept all the same
            raise

    def leave(self, request: str) -> None:
        """A request that was allowed has been answered, or its client has gone."""
        self._note(request)
        self._tell()

    def beat(self) -> None:
        """Say that this server lives, and clear away what belongs to none that does.

        Raises:
            DatabaseAway: the database does not answer.
        """
        with self._store.count() as connection:
            now = self._store.now(connection)
            alive = {"server": self._server, "until": now + LIVES_S, **vars(self._quota)}
            connection.execute(_LIVE, alive)
            connection.execute(_GONE, {"before": now - LIVES_S, "beyond": _beyond(now)})
            connection.execute(
                text("DELETE FROM shared_under_way WHERE server NOT IN (SELECT server FROM shared_servers)")
            )
            fills_s = 60 * self._quota.burst / self._quota.per_minute
            rested = {"before": now - max(RESTED_S, fills_s)}
            connection.execute(text("DELETE FROM shared_buckets WHERE filled_at < :before"), rested)
        self._tell()

    def others(self) -> list[Quota]:
        """The limits of servers that live where they are not this one's.

        Raises:
            DatabaseAway: the database does not answer.
        """
        with self._store.read() as connection:
            now = self._store.now(connection)
            rows = connection.execute(_QUOTAS, {"now": now, "beyond": _beyond(now)}).mappings()
            return [quota for quota in (Quota(**row) for row in rows) if quota != self._quota]

    def end(self) -> None:
        """This server ends: nothing of it is under way any more."""
        mine = {"server": self._server}
        with self._store.count() as connection:
            connection.execute(text("DELETE FROM shared_under_way WHERE server = :server"), mine)
            connection.execute(text("DELETE FROM shared_servers WHERE server = :server"), mine)

    def _enter(self, connection: Connection, client: str, request: str) -> Verdict:
        quota, rate = self._quota, self._quota.per_minute / 60
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        bucket = text(f"SELECT tokens, filled_at FROM shared_buckets WHERE client = :client{lock}")
        told: dict[str, object] = {"client": client, "server": self._server, "id": request}
        row = connection.execute(bucket, told).one_or_none()
        now = self._store.now(connection)
        if row is None:
            connection.execute(_NEW_BUCKET, {**told, "burst": quota.burst, "now": now})
            row = connection.execute(bucket, told).one()
        tokens = min(quota.burst, row.tokens + max(0.0, now - row.filled_at) * rate)
        # A statement of its own, begun when the bucket was locked: it sees all who were let in before.
        crowd = connection.execute(_COUNT, {**told, "now": now, "beyond": _beyond(now)})
        crowded = crowd.scalar_one() >= quota.at_once
        allowed = not crowded and tokens >= 1
        if allowed:
            tokens -= 1
            connection.execute(_BEGIN, told)
        if allowed or row.filled_at > now:  # the clock was set back
            connection.execute(_FILL, {**told, "tokens": tokens, "now": now})
        return Verdict(
            allowed=allowed,
            remaining=int(tokens),
            after_s=max(0.0, 1.0 if crowded else 0.0, (1 - tokens) / rate),
            full_s=(quota.burst - tokens) / rate,
        )

    def _note(self, request: str) -> None:
        with self._lock:
            self._left.append(request)

    def _tell(self) -> None:
        """Take the rows away of requests that have ended; what fails is done at the next beat."""
        with self._lock:
            ids, self._left = self._left, []
        if not ids:
            return
        try:
            with self._store.count() as connection:
                connection.execute(_END, {"ids": ids})
        except DatabaseAway:
            with self._lock:
                self._left += ids


def _beyond(now: float) -> float:
    """No server that lives says that it lives until then: the clock was set back since."""
    return now + 2 * LIVES_S
