"""Futures of threads, waited for from an event loop. Knows nothing of what is waited for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

Value = TypeVar("Value")


def post(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: Any) -> None:
    """Have the loop call something, from any thread. A loop that has ended wants nothing any more."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *args)


async def arrived(future: "Future[Value]", *, within_s: float) -> Value:
    """What a thread's future gives. Whoever waits may be cancelled; the future never is by that.

    Raises:
        TimeoutError: it was not done in time. One that is done when this begins is in time.
        Exception: the future's.
    """
    if future.done():
        return future.result()
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    future.add_done_callback(lambda _: post(loop, done.set))
    async with asyncio.timeout(max(0.0, within_s)):
        await done.wait()
    return future.result()
