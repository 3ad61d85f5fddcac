"""How long each request took, and how it ended, told to whoever measures."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.core.watch import Watch
from serving.rest.errors import route_of

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
GONE = 499
"""The status noted for a client that went away before its reply had begun."""


class Measured:
    """Wraps an application; around all that refuses, so that what is refused is counted too."""

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self._app, self._watch = app, watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = GONE, time.monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._watch.request(method, route_of(scope), status, time.monotonic() - begun)
