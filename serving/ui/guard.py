"""What the page may do, said to the browser and held on the way in.

The browser is told to load nothing from anywhere else, so the page works offline and tells no one. No file
can be uploaded through Gradio, which would write it to disk: images come as text and stay in memory.
"""

import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRADIO = "/gradio_api/"
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Gradio builds its templates in the browser
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "frame-ancestors 'self'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class Guard:
    """Wraps the whole application; bodies to Gradio's routes have at most `max_body` bytes."""

    def __init__(self, app: ASGIApp, *, max_body: int) -> None:
        self._app = app
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in _HEADERS]
                message = {**message, "headers": [*kept, *_HEADERS.items()]}
            await send(message)

        path: str = scope["path"]
        if path.startswith(GRADIO):
            if path.startswith(f"{GRADIO}upload"):
                await _refuse(send_with_headers, 403, "files are not uploaded here; POST /v1/compare")
                return
            if _stated_length(scope) > self._max_body:
                await _refuse(send_with_headers, 413, f"the limit is {self._max_body} bytes")
                return
            receive = self._bounded(receive)
        await self._app(scope, receive, send_with_headers)

    def _bounded(self, receive: Receive) -> Receive:
        """A body without a stated length ends, as if the client had gone, when it goes beyond the limit."""
        count = 0

        async def bounded() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            return {"type": "http.disconnect"} if count > self._max_body else message

        return bounded


def _stated_length(scope: Scope) -> int:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    stated = next((value for name, value in headers if name == b"content-length"), b"0")
    return int(stated) if stated.isdigit() else 0


async def _refuse(send: Send, status: int, message: str) -> None:
    error: dict[str, Any] = {"error": {"type": "Refused", "message": message, "hint": ""}}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(error).encode()})
