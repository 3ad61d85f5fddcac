"""A collector of traces on loopback: takes OTLP over HTTP and keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What has come, as bytes and as spans."""

    url: str = ""
    came: list[bytes] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    @property
    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.came]
        scopes = [scope for one in requests for whole in one.resource_spans for scope in whole.scope_spans]
        return [span for scope in scopes for span in scope.spans]


def about(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    found = {}
    for one in span.attributes:
        kind, value = one.value.WhichOneof("value"), _plain(one.value)
        found[one.key] = [_plain(each) for each in value.values] if kind == "array_value" else value
    return found


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


@contextmanager
def collecting() -> Iterator[Collector]:
    """Runs until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.heads.append(f"{self.path}\n{self.headers}")
            collector.came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
