"""A request's body has an end and a time: the middleware that bounds how much may come, and how slowly.

Routes have bounds of their own, nearer to what they take; this one holds for all of them. The bound on a
request's head is the connection's (`connections`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.defence.gate import Refuse, with_headers
from zoo.errors import ImageTooLarge, TooSlow, ZooError


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much may come, and in what time."""

    max_bytes: int
    timeout_s: float

    def too_much(self, count: int) -> ImageTooLarge:
        """The refusal of a body of so many bytes."""
        return ImageTooLarge(
            f"the request has {count} bytes or more, the limit is {self.max_bytes}",
            hint="send smaller or fewer images",
        )


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Wraps an application. Beyond the bounds its request ends as if the client had gone, and what it says
    then gives way to the refusal."""

    app: ASGIApp = field(kw_only=False)
    max_bytes: int
    timeout_s: float
    refuse: Refuse
    elsewhere: Mapping[tuple[str, str], Bounds] = field(default_factory=dict)
    """Other bounds of some routes, by method and path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        usual = Bounds(max_bytes=self.max_bytes, timeout_s=self.timeout_s)
        bounds = self.elsewhere.get((scope["method"], scope["path"]), usual)
        stated = dict(scope["headers"]).get(b"content-length", b"")
        if stated.isdigit() and int(stated) > bounds.max_bytes:
            await self.refuse(bounds.too_much(int(stated)))(scope, receive, send)
            return
        body = _Body(bounds, receive)
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if begun or not body.fault:
                begun = True
                await send(message)

        try:
            await self.app(scope, body.receive, sending)
        except Exception:  # what an application makes of a client that goes away is its own
            if not body.fault:
                raise
        if body.fault and not begun:
            close = with_headers(send, [(b"connection", b"close")])
            await self.refuse(body.fault)(scope, receive, close)


class _Body:
    """What is received of one request."""

    def __init__(self, bounds: Bounds, receive: Receive) -> None:
        self.fault: ZooError | None = None
        self._bounds, self._receive = bounds, receive
        self._count, self._whole = 0, False
        self._ends_at = asyncio.get_running_loop().time() + bounds.timeout_s

    async def receive(self) -> Message:
        if self._whole:  # what comes now is that the client has gone, whenever that is
            return await self._receive()
        message = await self._next() if self.fault is None else {}
        return {"type": "http.disconnect"} if self.fault else message

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self._ends_at):
                message = await self._receive()
        except TimeoutError:
            self.fault = TooSlow(f"the request was not here whole within {self._bounds.timeout_s:g} s")
            return {}
        self._count += len(message.get("body", b""))
        if self._count > self._bounds.max_bytes:
            self.fault = self._bounds.too_much(self._count)
        self._whole = not message.get("more_body", False)
        return message
