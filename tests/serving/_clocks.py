"""Event loops on whose clock no test waits, and of which a busy machine does not change the order."""

import asyncio
import selectors
import threading
from typing import Any


class MovedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward by another thread: for real connections."""

    _ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    def forward(self, seconds: float) -> None:
        """Let so much time pass; what was due in it is done when this returns."""
        done = threading.Event()

        def move() -> None:
            self._ahead += seconds
            # A callback made ready by the clock runs after the ones that are ready: one round, and another.
            self.call_soon(self.call_soon, self.call_soon, done.set)

        self.call_soon_threadsafe(move)
        assert done.wait(60), "the loop hangs"


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes at once where it is waited for: for coroutines without threads or sockets."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Nothing is left to do for so long."""
        self._now += seconds


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Where a loop would sleep, its clock jumps."""

    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing will ever happen"
        self._loop.jump(timeout)
        return super().select(0)


def run_jumping(coroutine: Any) -> Any:
    """What a coroutine gives on a jumping loop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(coroutine)
