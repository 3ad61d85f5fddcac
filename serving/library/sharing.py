"""Slow calls to something outside, in threads of their own and shared by all who want the same.

Nobody who waits is bound to a call: it may never return. Knows nothing of Hubs.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from serving.core.origin import bound
from zoo.errors import Busy

Value = TypeVar("Value")


class SharedCalls(Generic[Value]):
    """At most `at_once` calls under way, and `waiting` more in line behind them.

    A call older than `stale_s` is shared no more, so that one that hangs does not take those with it who come
    later.
    """

    def __init__(
        self,
        *,
        at_once: int = 32,
        waiting: int = 1000,
        stale_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once, self._most_waiting = at_once, waiting
        self._stale_s, self._clock = stale_s, clock
        self._lock = threading.Lock()
        self._threads = 0
        self._line: deque[tuple[Hashable, Callable[[], Value], Future[Value]]] = deque()
        self._shared: dict[Hashable, tuple[float, Future[Value]]] = {}

    def begin(self, key: Hashable, call: Callable[[], Value]) -> "Future[Value]":
        """The future of the call under way for `key`, or of `call`, which is begun or put in line now.

        Raises:
            Busy: the line is full.
        """
        now = self._clock()
        with self._lock:
            begun, future = self._shared.get(key, (0.0, None))
            if future is not None and now - begun < self._stale_s:
                return future
            if len(self._line) >= self._most_waiting:
                raise Busy(f"{len(self._line)} questions to the Hub wait, which is the limit", after_s=10)
            future = Future()
            future.set_running_or_notify_cancel()  # nobody who waits can cancel it for the others
            self._shared[key] = (now, future)
            self._line.append((key, bound(call), future))
            if self._threads == self._at_once:
                return future
            self._threads += 1
        try:
            threading.Thread(target=self._run, name="hub", daemon=True).start()
        except RuntimeError as error:
            self._give_up(key, future, error)
        return future

    def _give_up(self, key: Hashable, future: "Future[Value]", error: RuntimeError) -> None:
        """No thread could be had for a call: it ends, unless another thread has it already."""
        with self._lock:
            self._threads -= 1
            left = [one for one in self._line if one[2] is not future]
            taken = len(left) == len(self._line)
            self._line = deque(left)
        if not taken:
            self._end(key, future)
            busy = Busy("this machine can run no more threads", hint="ask again in 10 seconds", after_s=10)
            busy.__cause__ = error
            future.set_exception(busy)

    def _run(self) -> None:
        """Make the calls in line until there is none."""
        while (next_one := self._next()) is not None:
            key, call, future = next_one
            try:
                value = call()
            except BaseException as error:  # whatever it was, it is what the waiters get
                self._end(key, future)
                future.set_exception(error)
            else:
                self._end(key, future)
                future.set_result(value)

    def _next(self) -> "tuple[Hashable, Callable[[], Value], Future[Value]] | None":
        with self._lock:
            if self._line:
                return self._line.popleft()
            self._threads -= 1
            return None

    def _end(self, key: Hashable, future: "Future[Value]") -> None:
        with self._lock:
            if self._shared.get(key, (0.0, None))[1] is future:
                del self._shared[key]
