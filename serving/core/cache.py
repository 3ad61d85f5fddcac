"""What to keep and what to let go: the order of giving up, and a bounded cache whose entries expire.

Pure: the time is passed in, in seconds of any monotonic clock. Knows nothing of what it keeps.
"""

import math
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


def eviction_order(
    last_used: Mapping[Name, float], *, users: Mapping[Name, int], pinned: Collection[Name] = ()
) -> list[Name]:
    """Those that may be let go, the first to go first: pinned ones last, else the one unused for longest.
    One with users is not among them."""
    idle = [name for name in last_used if not users.get(name)]
    return sorted(idle, key=lambda name: (name in pinned, last_used[name]))


class ExpiringCache(Generic[Value]):
    """At most `max_bytes` of values, each for at most `ttl_s`; the one used longest ago goes first."""

    def __init__(self, *, max_bytes: int, ttl_s: float = math.inf) -> None:
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
        self.drop(key)
        if size > self.max_bytes:
            return
        self._entries[key] = (value, size, now)
        self.bytes += size
        while self.bytes > self.max_bytes:
            self.drop(next(iter(self._entries)))

    def expire(self, *, now: float) -> None:
        """Drop what is older than the time to live."""
        for key in [k for k, (_, _, put_at) in self._entries.items() if now - put_at >= self.ttl_s]:
            self.drop(key)

    def drop(self, key: str) -> None:
        """Keep a value no longer, if it is there."""
        if key in self._entries:
            self.bytes -= self._entries.pop(key)[1]

    def clear(self) -> None:
        """Drop all."""
        self._entries.clear()
        self.bytes = 0
