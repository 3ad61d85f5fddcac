"""What the page may do, said to the browser and held on the way in.

The browser is told to load nothing from anywhere else, so the page works offline and tells no one. Of
Gradio's many routes only the few are open that the page's own scripts ask, with bodies that those scripts
could have sent: the others write what they are sent to disk, or print it where it is wrong.
"""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.defence.callers import API, ENTRY, PASSWORD
from serving.defence.logs import QUIET
from serving.ui.wording import Wording

GRADIO = "/gradio_api/"
OPEN = (
    ("GET", f"{GRADIO}app_id"),  # asked until a server that was away is back; then the page is loaded anew
    ("GET", f"{GRADIO}queue/data"),
    ("POST", f"{GRADIO}queue/join"),
    ("POST", f"{GRADIO}component_server"),
    ("POST", f"{GRADIO}component_server/"),
)
_NO_PAGE = (*QUIET, *ENTRY, PASSWORD, "/openapi.json")
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Gradio builds its templates in the browser
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class Guard:
    """Wraps the whole application; what the page sends has at most `max_body` bytes. `framed_by` is another
    site whose pages may show this one in a frame."""

    def __init__(self, app: ASGIApp, *, max_body: int, wording: Wording, framed_by: str = "") -> None:
        self._app = app
        self._max_body = max_body
        self._wording = wording
        policy = f"{_POLICY}; frame-ancestors 'self' {framed_by}".rstrip()
        self._headers = {**_HEADERS, b"content-security-policy": policy.encode()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] != "http" or path.startswith(API) or path in _NO_PAGE:
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in self._headers]
                message = {**message, "headers": [*kept, *self._headers.items()]}
            await send(message)

        asked: str = scope["method"]
        try:
            if (asked not in ("GET", "HEAD") or GRADIO in path) and (asked, path) not in OPEN:
                raise HTTPException(404, "the page has no such route")
            if asked == "POST":
                body = await self._body(scope, receive)
                self._wording.check(path.removeprefix(GRADIO).rstrip("/"), body)
                receive = _once_more(body, receive)
        except ClientDisconnect:
            return
        except HTTPException as error:
            await _refuse(send_with_headers, error)
        else:
            await self._app(scope, receive, send_with_headers)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, which is no form: Gradio keeps parts of forms in files."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise HTTPException(415, "the page sends application/json")
        much = HTTPException(413, f"the limit is {self._max_body} bytes", {"connection": "close"})
        stated = headers.get(b"content-length", b"")
        if stated.isdigit() and int(stated) > self._max_body:
            raise much
        chunks, count, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(message.get("body", b""))
            count += len(chunks[-1])
            if count > self._max_body:
                raise much
            more = message.get("more_body", False)
        return b"".join(chunks)


def _once_more(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, and then what comes after it."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return whole.pop() if whole else await receive()

    return again


async def _refuse(send: Send, why: HTTPException) -> None:
    error: dict[str, Any] = {"error": {"type": "Refused", "message": why.detail, "hint": ""}}
    headers = [(b"content-type", b"application/json")]
    headers += [(name.encode(), value.encode()) for name, value in (why.headers or {}).items()]
    await send({"type": "http.response.start", "status": why.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(error).encode()})
