"""What every reply tells a browser: keep nothing, show it in no other site's page, share it with none."""

from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAID = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
_PRIVATE = {b"cache-control": b"no-store"}
_ASKED = ("/v1/", "/gradio_api/")
"""Where replies hold what was asked and answered, which browsers would keep on disk."""
_NEVER = b"access-control-"
"""No other site's page may read a reply, whatever a part of the application would allow."""


@dataclass(frozen=True)
class SafeHeaders:
    """Wraps an application; what it says itself stands."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = _SAID | _PRIVATE if scope["path"].startswith(_ASKED) else _SAID

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if not pair[0].lower().startswith(_NEVER)]
                names = {name.lower() for name, _ in kept}
                added = [pair for pair in said.items() if pair[0] not in names]
                message = {**message, "headers": [*kept, *added]}
            await send(message)

        await self.app(scope, receive, sending)
