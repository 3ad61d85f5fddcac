"""What to keep and what to let go: the slot to give up, and a bounded cache whose entries expire.

Pure: the time is passed in, in seconds of any monotonic clock. Knows nothing of what it keeps.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


def least_recently_used(last_used: Mapping[Name, float], users: Mapping[Name, int]) -> Name | None:
    """The one unused for longest; None if every one is in use. One with users is never chosen."""
    idle = [name for name in last_used if not users.get(name)]
    return min(idle, key=lambda name: last_used[name], default=None)


class ExpiringCache(Generic[Value]):
    """At most `max_bytes` of values, each for at most `ttl_s`; the one used longest ago goes first."""

    def __init__(self, *, max_bytes: int, ttl_s: float) -> None:
        self.max_bytes = max_bytes
        self.ttl_s = ttl_s
        self.bytes = 0
        self._entries: OrderedDict[str, tuple[Value, int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, *, now: float) -> Value | None:
        """The value, if it is there and has not expired."""
        self.expire(now=now)
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: str, value: Value, *, size: int, now: float) -> None:
        """Keep a value of `size` bytes; one that is larger than the whole cache is not kept."""
        self._drop(key)
        if size > self.max_bytes:
            return
        self._entries[key] = (value, size, now)
        self.bytes += size
        while self.bytes > self.max_bytes:
            self._drop(next(iter(self._entries)))

    def expire(self, *, now: float) -> None:
        """Drop what is older than the time to live."""
        for key in [k for k, (_, _, put_at) in self._entries.items() if now - put_at >= self.ttl_s]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._entries:
            self.bytes -= self._entries.pop(key)[1]
