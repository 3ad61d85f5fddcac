"""Slow calls to something outside, each in a thread of its own and shared by all who want the same.

Nobody who waits is bound to the call: it may never return. Knows nothing of Hubs.
"""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from zoo.errors import Busy

Value = TypeVar("Value")


class SharedCalls(Generic[Value]):
    """At most `most` calls under way; one older than `stale_s` is shared no more, so that a call that hangs
    does not take those with it who come later."""

    def __init__(
        self, *, most: int = 64, stale_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._stale_s, self._clock = most, stale_s, clock
        self._lock = threading.Lock()
        self._running = 0
        self._shared: dict[Hashable, tuple[float, Future[Value]]] = {}

    def begin(self, key: Hashable, call: Callable[[], Value]) -> "Future[Value]":
        """The future of the call under way for `key`, or of `call`, which is begun now.

        Raises:
            Busy: too many calls have not returned.
        """
        now = self._clock()
        with self._lock:
            begun, future = self._shared.get(key, (0.0, None))
            if future is not None and now - begun < self._stale_s:
                return future
            if self._running >= self._most:
                raise Busy(f"{self._running} calls to the Hub are under way, which is the limit", after_s=10)
            self._running += 1
            future = Future()
            future.set_running_or_notify_cancel()  # nobody who waits can cancel it for the others
            self._shared[key] = (now, future)
        threading.Thread(target=self._run, args=(key, call, future), name="hub", daemon=True).start()
        return future

    def _run(self, key: Hashable, call: Callable[[], Value], future: "Future[Value]") -> None:
        try:
            value = call()
        except BaseException as error:  # whatever it was, it is what the waiters get
            self._end(key, future)
            future.set_exception(error)
        else:
            self._end(key, future)
            future.set_result(value)

    def _end(self, key: Hashable, future: "Future[Value]") -> None:
        with self._lock:
            self._running -= 1
            if self._shared.get(key, (0.0, None))[1] is future:
                del self._shared[key]
