"""The middleware that lets requests in: who asks, may they, not too much at once. Bodies are unread here.

What a refusal looks like is handed in, so nothing here knows the form of replies.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.defence.callers import API, ENTRY, Caller, Callers, check_role
from serving.defence.pace import Pace, Verdict
from zoo.errors import Busy, NoKey, Stopped, ZooError

HEALTH = ("/healthz", "/readyz")
"""Asked by what watches over the server, which has no key."""
Refuse = Callable[[ZooError], ASGIApp]
"""An error -> the application that replies it."""
Headers = list[tuple[bytes, bytes]]


@dataclass
class Inside:
    """The requests that were let in and whose reply has not begun; used from one event loop."""

    count: int = 0
    closed: bool = False
    """True: nobody else is let in."""


class Others(Protocol):
    """The servers that are one service with this one."""

    async def fresh(self) -> None:
        """Learn what keys and names are now."""
        ...

    async def enter(self, client: str) -> tuple[Verdict, str] | None:
        """Count a request over all servers, with its id; None: that cannot be done now."""
        ...

    def leave(self, request: str) -> None:
        """One that was allowed is over."""
        ...


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Wraps an application. `request.state.client`, `.role`, `.account` (a person's, not a key's) and `.way`
    tell it who was let in, or comes to sign in; `came_from` tells from where."""

    app: ASGIApp = field(kw_only=False)
    callers: Callers
    pace: Pace
    refuse: Refuse
    inside: Inside = field(default_factory=Inside)
    others: Others | None = None
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self.app(scope, receive, send)
            return
        if self.others is not None:
            await self.others.fresh()
        try:
            caller = await self._let_in(scope)
            if self.inside.closed and not _free(scope):
                raise Stopped("the server is stopping", hint="ask again when it is back")
        except NoKey as error:
            await self._send_away(error)(scope, receive, send)
        except ZooError as error:
            await self.refuse(error)(scope, receive, send)
        else:
            await self._paced(caller, scope, receive, send)

    async def _let_in(self, scope: Scope) -> Caller | None:
        """Who asks; None for whoever comes to sign in."""
        state = scope.setdefault("state", {})
        state["address"], state["secure"] = self.callers.comes_from(scope)
        if self.callers.sign_in and scope["path"] in ENTRY:
            self.callers.check_site(scope)
            return None
        caller = await self.callers.identify(scope)
        state.update(client=caller.name, role=caller.role, account=caller.account, way=caller.way)
        check_role(caller, scope["method"], scope["path"])
        return caller

    def _send_away(self, error: NoKey) -> ASGIApp:
        """To sign in, where a browser wants to show a page; else with the word how to say who one is."""

        async def reply(scope: Scope, receive: Receive, send: Send) -> None:
            if self.callers.sign_in and _wants_a_page(scope):
                query = scope["query_string"].decode("latin-1")
                to = quote(f"{scope['path']}?{query}" if query else scope["path"], safe="/")
                await RedirectResponse(f"{ENTRY[0]}?to={to}", 303)(scope, receive, send)
                return
            bearer = self.callers.sign_in or scope["path"].startswith(API)
            how = b"Bearer" if bearer else b'Basic realm="a key is the password"'
            await self.refuse(error)(scope, receive, with_headers(send, [(b"www-authenticate", how)]))

        return reply

    async def _paced(self, caller: Caller | None, scope: Scope, receive: Receive, send: Send) -> None:
        if caller is not None and caller.way != "machine":
            await self._by_quota(caller, scope, receive, send)
        elif _free(scope):
            await self.app(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _by_quota(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        free, pace = _free(scope), self.pace
        if free:
            verdict, request = pace.look(str(caller), now=self.clock()), ""
        else:
            verdict, request = await self._enter(str(caller))
        told = with_headers(send, _told(self.pace.quota.per_minute, verdict))
        if not verdict.allowed:
            error = Busy(f"{caller} asks too much at once", after_s=verdict.after_s)
            await self.refuse(error)(scope, receive, told)
            return
        try:
            await (self.app if free else self._counted)(scope, receive, told)
        finally:
            (pace.look_away if free else pace.leave)(str(caller))
            if request and self.others is not None:
                self.others.leave(request)

    async def _enter(self, client: str) -> tuple[Verdict, str]:
        """Count a request here and then over all servers. What this server alone would refuse goes no
        further, so a flood does not reach what they share; where that is away, this server's word holds."""
        verdict = self.pace.enter(client, now=self.clock())
        if self.others is None or not verdict.allowed:
            return verdict, ""
        try:
            entered = await self.others.enter(client)
        except BaseException:  # whoever asked has gone
            self.pace.leave(client)
            raise
        if entered is None:
            return verdict, ""
        if not entered[0].allowed:
            self.pace.take_back(client)
        return entered

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        waits = 1
        self.inside.count += waits

        async def noting(message: Message) -> None:
            nonlocal waits
            self.inside.count -= waits
            waits = 0
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            self.inside.count -= waits


def came_from(scope: Scope) -> tuple[str, bool]:
    """Where the browser is, and whether it came by https; as the gate says, or without one the connection."""
    client, state = scope.get("client"), scope.get("state", {})
    here = client[0] if client else ""
    return state.get("address", here), state.get("secure", scope["scheme"] == "https")


def _free(scope: Scope) -> bool:
    """The files that the page is made of."""
    return scope["method"] in ("GET", "HEAD") and not scope["path"].startswith(API)


def _wants_a_page(scope: Scope) -> bool:
    """A browser that opens an address, or follows a link."""
    accepted = dict(scope["headers"]).get(b"accept", b"")
    return _free(scope) and scope["path"] != ENTRY[0] and b"text/html" in accepted


def _told(per_minute: int, verdict: Verdict) -> Headers:
    """The headers by which OpenAI's clients know how they stand."""
    return [
        (b"x-ratelimit-limit-requests", b"%d" % per_minute),
        (b"x-ratelimit-remaining-requests", b"%d" % verdict.remaining),
        (b"x-ratelimit-reset-requests", b"%ds" % math.ceil(verdict.full_s)),
    ]


def with_headers(send: Send, headers: Headers) -> Send:
    """A `send` that puts headers onto the reply."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        await send(message)

    return sending
