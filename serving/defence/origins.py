"""The middleware that gives every request its origin: an id, which the reply tells, and its place in a trace.

An id counts only where a proxy sends it that the operator trusts, and if it is made of hexadecimal digits: a
name that somebody put into the header is none. A traceparent has room for such digits alone, so everybody's
counts.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.core.origin import arriving, on_behalf
from serving.defence.gate import with_headers
from serving.defence.proxies import Proxies

REQUEST_ID = b"x-request-id"
TRACEPARENT = b"traceparent"
NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""For every FastAPI: its own records addresses as they were asked for, and messages of errors."""
_ID = re.compile(r"[0-9A-Fa-f-]{16,64}")


@dataclass(frozen=True)
class Originated:
    """Wraps an application; the outermost. `request.state.origin` is for what goes on in other tasks."""

    app: ASGIApp
    proxies: Proxies = field(default_factory=Proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = _only(scope, REQUEST_ID) if self.proxies.trusted(scope) else ""
        request = given if _ID.fullmatch(given) else ""
        mine = arriving(request=request, traceparent=_only(scope, TRACEPARENT))
        scope.setdefault("state", {})["origin"] = mine
        with on_behalf(mine):
            await self.app(scope, receive, with_headers(send, [(REQUEST_ID, mine.request.encode())]))


def _only(scope: Scope, name: bytes) -> str:
    """The value of a header that is there once."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1").strip() if len(found) == 1 else ""
