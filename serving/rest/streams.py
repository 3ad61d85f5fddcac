"""What is asked while a client waits: ended as soon as it goes away, and sent piece by piece where it wants.

Server-sent events: each is a line `data: ` of JSON and an empty line, in some after a line `event: ` with its
name. Knows nothing of what is in them.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from serving.core.requests import Comparison
from serving.futures import post
from serving.service import Asked, Asking, Opening, Service
from zoo.asking import Piece

Value = TypeVar("Value")

GRACE_S = 10.0
"""How long after its time a stream may still be read, by a client that is slow."""


def event(data: BaseModel, name: str = "", *, only_set: bool = False) -> bytes:
    """One event; with `only_set` fields that were left at their defaults are left out."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data.model_dump_json(exclude_unset=only_set)}\n\n".encode()


async def unless_gone(request: Request, work: Coroutine[Any, Any, Value]) -> Value:
    """What `work` gives, which is cancelled if the client goes away first. The body must have been read.

    Raises:
        ClientDisconnect: it went away.
    """
    working = asyncio.ensure_future(work)
    if await _first(working, _gone(request.receive)):
        return working.result()
    raise ClientDisconnect


class Pieces:
    """The pieces of one comparison, put in by the engine's thread and read by the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._begun = asyncio.Event()

    def put(self, piece: Piece | None) -> None:
        """From any thread; None is the end."""
        post(self._loop, self._take, piece)

    def _take(self, piece: Piece | None) -> None:
        self._queue.put_nowait(piece)
        self._begun.set()

    @property
    def any(self) -> bool:
        """True once there is a piece, or the end."""
        return self._begun.is_set()

    async def begun(self) -> None:
        """Wait for the first piece, or the end if there is none."""
        await self._begun.wait()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        """Each piece as it comes, until the end."""
        while (piece := await self._queue.get()) is not None:
            yield piece


async def begin(service: Service, asked: Asked, opening: Opening, pieces: Pieces) -> Asking:
    """A comparison that has said its first piece, so that whatever is wrong with it before has a status.
    `opening` gives its images.

    Raises:
        ZooError: see `Service.ask`, and what the engine says before the first piece; `DeadlinePassed` if
            that does not come in time.
    """
    asking = await service.begin(asked, pieces.put, opening=opening)
    try:
        asking.ticket.done.add_done_callback(lambda _: pieces.put(None))
        with suppress(TimeoutError):
            async with asyncio.timeout(asking.left_s):
                await pieces.begun()
        if asking.ticket.done.done() or not pieces.any:
            await asking.wait()
    except BaseException:
        asking.cancel()
        raise
    return asking


async def answer(service: Service, asked: Asked, opening: Opening) -> Comparison:
    """The whole comparison; its rows are freed if whoever waits is cancelled.

    Raises:
        ZooError: see `Service.ask` and `Asking.result`.
    """
    asking = await service.begin(asked, opening=opening)
    try:
        return await asking.wait()
    except BaseException:
        asking.cancel()
        raise


class EventStream(StreamingResponse):
    """Sends events until they end, the client goes away, or their time is over."""

    def __init__(self, events: AsyncIterator[bytes], *, asking: Asking, headers: Mapping[str, str]) -> None:
        super().__init__(
            events,
            media_type="text/event-stream",
            headers={**headers, "cache-control": "no-store", "x-accel-buffering": "no"},
        )
        self._asking = asking

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; the comparison's rows are freed however it ends."""
        sending = asyncio.ensure_future(self.stream_response(send))
        try:
            if await _first(sending, _gone(receive), within_s=self._asking.left_s + GRACE_S):
                sending.result()
        finally:
            self._asking.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(
    wanted: "asyncio.Future[Any]", other: Coroutine[Any, Any, None], *, within_s: float | None = None
) -> bool:
    """True if `wanted` is done before `other` and in time. Neither goes on after it."""
    both = (wanted, asyncio.ensure_future(other))
    try:
        await asyncio.wait(both, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return wanted.done()
    finally:
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)
