"""How much one client may ask: a bucket of tokens that fills with time, and a count of what is under way.

Pure, with a clock that is handed in. Knows nothing of HTTP or keys; a client is a name.
"""

from dataclasses import dataclass

LOOKS_AT_ONCE = 64
"""Of one client: parts of the page that are being sent to it, and streams of its answers."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What each client may do."""

    per_minute: int
    burst: int
    """Requests that may come at once after a rest."""
    at_once: int
    """Requests under way at once."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a request may go on, and what is left."""

    allowed: bool
    remaining: int
    """Requests that might still come now."""
    after_s: float
    """Seconds until the next may come; 0 if one may now."""
    full_s: float
    """Seconds until the bucket is full again."""


@dataclass
class _Bucket:
    tokens: float
    filled_at: float
    under_way: int = 0
    looks: int = 0


class Pace:
    """The buckets of all clients; used from one thread."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._buckets: dict[str, _Bucket] = {}

    def enter(self, client: str, *, now: float) -> Verdict:
        """A request has come; one that is allowed must `leave`. `now` is in seconds, of any clock."""
        bucket = self._bucket(client, now)
        crowded = bucket.under_way >= self.quota.at_once
        allowed = not crowded and bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
            bucket.under_way += 1
        return self._verdict(bucket, allowed=allowed, crowded=crowded, cost=1)

    def leave(self, client: str) -> None:
        """A request that was allowed has been answered, or its client has gone."""
        self._buckets[client].under_way -= 1

    def take_back(self, client: str) -> None:
        """One that was allowed here was refused where all servers' requests are counted: it cost nothing."""
        self._buckets[client].tokens += 1
        self.leave(client)

    def look(self, client: str, *, now: float) -> Verdict:
        """A request that costs nothing has come, such as for a part of the page; one that is allowed must
        `look_away`. They have room of their own, so that a page with many parts opens whatever is asked."""
        bucket = self._bucket(client, now)
        crowded = bucket.looks >= LOOKS_AT_ONCE
        bucket.looks += not crowded
        return self._verdict(bucket, allowed=not crowded, crowded=crowded, cost=0)

    def look_away(self, client: str) -> None:
        """One that was allowed has been answered, or its client has gone."""
        self._buckets[client].looks -= 1

    def _bucket(self, client: str, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(client, _Bucket(self.quota.burst, now))
        filled = (now - bucket.filled_at) * self.quota.per_minute / 60
        bucket.tokens, bucket.filled_at = min(self.quota.burst, bucket.tokens + filled), now
        return bucket

    def _verdict(self, bucket: _Bucket, *, allowed: bool, crowded: bool, cost: int) -> Verdict:
        rate = self.quota.per_minute / 60
        return Verdict(
            allowed=allowed,
            remaining=int(bucket.tokens),
            after_s=max(0.0, 1.0 if crowded else 0.0, (cost - bucket.tokens) / rate),
            full_s=(self.quota.burst - bucket.tokens) / rate,
        )
