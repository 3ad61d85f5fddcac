"""A request's body has an end and a time: the middleware that bounds how much may come, and how slowly.

Routes have bounds of their own, nearer to what they take; this one holds for all of them. The bound on a
request's head is the connection's (`connections`).
"""

import asyncio
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.defence.gate import Refuse
from zoo.errors import ImageTooLarge


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Wraps an application; what it receives ends with an HTTPException, 408 or 413, beyond the bounds."""

    app: ASGIApp = field(kw_only=False)
    max_bytes: int
    timeout_s: float
    refuse: Refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"")
        if stated.isdigit() and int(stated) > self.max_bytes:
            error = ImageTooLarge(
                f"the request has {int(stated)} bytes, the limit is {self.max_bytes}",
                hint="send smaller or fewer images",
            )
            await self.refuse(error)(scope, receive, send)
            return
        await self.app(scope, self._bounded(receive), send)

    def _bounded(self, receive: Receive) -> Receive:
        count, whole = 0, False
        ends_at = asyncio.get_running_loop().time() + self.timeout_s

        async def bounded() -> Message:
            nonlocal count, whole
            if whole:  # what comes now is that the client has gone, whenever that is
                return await receive()
            try:
                async with asyncio.timeout_at(ends_at):
                    message = await receive()
            except TimeoutError:
                late = f"the request was not here whole within {self.timeout_s:g} s"
                raise HTTPException(408, late, {"connection": "close"}) from None
            count += len(message.get("body", b""))
            if count > self.max_bytes:
                much = f"the request has {count} bytes or more, the limit is {self.max_bytes}"
                raise HTTPException(413, much, {"connection": "close"})
            whole = not message.get("more_body", False)
            return message

        return bounded
