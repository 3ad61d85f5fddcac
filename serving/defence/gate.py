"""The middleware that lets requests in: who asks, may they, not too much at once. Bodies are unread here.

What a refusal looks like is handed in, so nothing here knows the form of replies.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.defence.callers import API, Caller, Callers, check_role
from serving.defence.keys import LOCAL
from serving.defence.pace import Pace, Verdict
from zoo.errors import Busy, NoKey, ZooError

HEALTH = ("/healthz", "/readyz")
"""Asked by what watches over the server, which has no key."""
Refuse = Callable[[ZooError], ASGIApp]
"""An error -> the application that replies it."""
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Wraps an application. `request.state.client` and `.role` tell it who was let in."""

    app: ASGIApp = field(kw_only=False)
    callers: Callers
    pace: Pace
    refuse: Refuse
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self.app(scope, receive, send)
            return
        try:
            caller = self.callers.identify(scope)
            scope.setdefault("state", {}).update(client=caller.name, role=caller.role)
            check_role(caller, scope["method"], scope["path"])
        except NoKey as error:
            how = b"Bearer" if scope["path"].startswith(API) else b'Basic realm="a key is the password"'
            await self.refuse(error)(scope, receive, _with(send, [(b"www-authenticate", how)]))
        except ZooError as error:
            await self.refuse(error)(scope, receive, send)
        else:
            await self._paced(caller, scope, receive, send)

    async def _paced(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """Free are the files that the page is made of, and everything where there are no keys."""
        free = scope["method"] in ("GET", "HEAD") and not scope["path"].startswith(API)
        if free or caller.name == LOCAL:
            await self.app(scope, receive, send)
            return
        verdict = self.pace.enter(caller.name, now=self.clock())
        told = _with(send, _told(self.pace.quota.per_minute, verdict))
        if not verdict.allowed:
            error = Busy(f"the key {caller.name!r} asks too much at once", after_s=verdict.after_s)
            await self.refuse(error)(scope, receive, told)
            return
        try:
            await self.app(scope, receive, told)
        finally:
            self.pace.leave(caller.name)


def _told(per_minute: int, verdict: Verdict) -> Headers:
    """The headers by which OpenAI's clients know how they stand."""
    return [
        (b"x-ratelimit-limit-requests", b"%d" % per_minute),
        (b"x-ratelimit-remaining-requests", b"%d" % verdict.remaining),
        (b"x-ratelimit-reset-requests", b"%ds" % math.ceil(verdict.full_s)),
    ]


def _with(send: Send, headers: Headers) -> Send:
    """A `send` that puts headers onto the reply."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        await send(message)

    return sending
