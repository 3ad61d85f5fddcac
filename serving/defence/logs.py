"""The server's log: one line a request, and what went wrong, without a word of what was asked.

Each line names the request that it is about, in whatever thread it was written.

A line holds the route as the code writes it, not the path that a client typed, and the adapters as resolved.
Of an error of any library its type and place are kept; its message may quote the question.
"""

import json
import logging
import sys
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.core.origin import origin
from serving.defence.gate import HEALTH

log = logging.getLogger("medzoo.requests")

ADAPTERS = b"x-medzoo-adapter"
"""The reply's header that names who answered."""
QUIET = (*HEALTH, "/metrics")
QUOTING = ("pydicom", "PIL", "huggingface_hub", "multipart", "python_multipart", "opentelemetry")
"""Libraries whose log quotes what they read or are told. They set their own levels, so the handler holds
them back."""
FRAMES = 8
"""Places that are logged of an error, the innermost last."""


@dataclass(frozen=True)
class RequestLog:
    """Wraps an application: logs what became of every request."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, adapters = time.monotonic(), 0, ""

        async def noting(message: Message) -> None:
            nonlocal status, adapters
            if message["type"] == "http.response.start":
                status = message["status"]
                adapters = dict(message.get("headers", [])).get(ADAPTERS, b"").decode("latin-1")
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            if _worth_a_line(scope, status):
                took = (time.monotonic() - began) * 1000
                _write(scope, status=status, ms=round(took, 1), adapters=adapters)


def _worth_a_line(scope: Scope, status: int) -> bool:
    """The parts of the page and the questions of what watches over the server would drown the rest."""
    plain = scope["path"] in QUIET or not scope["path"].startswith("/v1/")
    return not plain or not 200 <= status < 400


def _write(scope: Scope, **said: object) -> None:
    state: dict[str, Any] = scope.get("state", {})
    route = getattr(scope.get("route"), "path", "")
    line = {"method": _method(scope), "route": route, "client": state.get("client", ""), **said}
    log.info("%s", json.dumps({**line, "id": origin().request}), extra={"said": line})


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"


class PlaceOnly(logging.Formatter):
    """A line of text. Of an error it writes type and place, and never its message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        request = origin().request
        if request and not hasattr(record, "said"):
            record.message = f"[{request}] {record.message}"
        return super().formatMessage(record)

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        kind, _, trace = ei
        lines = []
        while trace is not None:
            lines.append(f"  {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
            trace = trace.tb_next
        return "\n".join([kind.__name__ if kind else "", *lines[-FRAMES:]])


class AsJson(PlaceOnly):
    """The same as an object of JSON on one line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": "request" if hasattr(record, "said") else record.getMessage(),
            "request": origin().request,
            **getattr(record, "said", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up_logs(form: Literal["text", "json"] = "text") -> None:
    """Send this process's log to stderr in that form; keep libraries quiet that quote what they read.

    The filters of warnings are set here once, because where they are changed for a moment, as decoding an
    image does, another thread may see them as they were before.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: record.name.partition(".")[0] not in QUOTING)
    plain = PlaceOnly("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(plain if form == "text" else AsJson())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)
    warnings.filterwarnings("ignore")
