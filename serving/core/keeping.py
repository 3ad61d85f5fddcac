"""A bounded cache for several threads, which lets go of what is over time whether anyone asks or not.

Knows nothing of what it keeps.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from serving.core.cache import ExpiringCache

Kept = TypeVar("Kept")
LOOKS = 4
"""How often it looks for what is over time, in each time to live."""


class Keeping(Generic[Kept]):
    """At most `max_bytes` of things, each for `ttl_s` and at most a `LOOKS`th of it more."""

    def __init__(self, *, max_bytes: int, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._things: ExpiringCache[Kept] = ExpiringCache(max_bytes=max_bytes, ttl_s=ttl_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._looks = False

    def get(self, key: str) -> Kept | None:
        """The thing, if it is there and its time not over."""
        with self._lock:
            return self._things.get(key, now=self._clock())

    def put(self, key: str, thing: Kept, *, size: int) -> None:
        """Keep a thing of so many bytes; its time begins."""
        with self._lock:
            self._things.put(key, thing, size=size, now=self._clock())
            if not self._looks:
                self._look_later()

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._things.clear()

    def _look_later(self) -> None:
        self._looks = len(self._things) > 0
        if self._looks:
            timer = threading.Timer(self._things.ttl_s / LOOKS, self._look)
            timer.daemon = True
            timer.start()

    def _look(self) -> None:
        with self._lock:
            self._things.expire(now=self._clock())
            self._look_later()
