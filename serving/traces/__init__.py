"""Spans of OpenTelemetry, made of what a watch is told, after the fact.

A span holds counts, templates of routes, commits and digests, types of errors; never a text, a file's name,
an address or an error's message. This is not the process' provider of traces: libraries that look for one,
such as FastAPI, find none.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from serving.core.origin import Origin, origin
from serving.core.requests import BASE, AdapterId
from serving.core.watch import Course, Watch
from serving.traces.sending import Sending

SENT_WITHIN_S = 5.0
"""In which the collector must have taken a batch of spans."""
Value = str | int | Sequence[str] | Sequence[int]


class Traces(Watch):
    """Tells a processor of spans what a watch is told; see `Watch` for the calls."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._processor, self._ids = processor, _Ids()
        ours = {"service.name": "medzoo", "service.instance.id": secrets.token_hex(8)}
        here = Resource.create({**ours, **OTELResourceDetector().detect().attributes})  # the operator's wins
        provider = TracerProvider(
            sampler=ParentBased(ALWAYS_ON), resource=here, id_generator=self._ids, shutdown_on_exit=False
        )
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer("medzoo")

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """See `Watch`, as for all below. Parts of a page and questions after health would drown the rest."""
        if method in ("GET", "HEAD") and status < 400 and not route.startswith("/v1/"):
            return
        mine = origin()
        about: dict[str, Value] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "medzoo.request": mine.request,
        }
        with self._ids.given(mine):
            above = _parent(mine, mine.parent)
            span = self._begun(f"{method} {route}", seconds, above, about, kind=SpanKind.SERVER)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def images(self, count: int, pixels: int, seconds: float, error: str) -> None:
        self._span("images", seconds, {"medzoo.images": count, "medzoo.pixels": pixels}, error)

    def hub(self, call: str, seconds: float, adapter: str, error: str) -> None:
        self._span(f"hub {call}", seconds, {"medzoo.adapter": adapter} if adapter else {}, error)

    def loaded(self, adapter: AdapterId, seconds: float, source: str, error: str) -> None:
        about = {"medzoo.adapter": str(adapter), "medzoo.digest": adapter.digest, "medzoo.from": source}
        self._span("load", seconds, {name: value for name, value in about.items() if value}, error)

    def ended(self, course: Course) -> None:
        now = time.time_ns()
        about: dict[str, Value] = {
            "medzoo.rows": len(course.adapters),
            "medzoo.adapters": [str(one) if one else BASE for one in course.adapters],
            "medzoo.digests": [one.digest if one else "" for one in course.adapters],
            "medzoo.tokens": course.tokens,
            "medzoo.finish": course.finish,
        }
        parts = {"queue": course.waited_s, "first token": course.first_s, "decode": course.decoded_s}
        name, left_s = "look" if course.looks else "comparison", sum(parts.values())
        mine = origin()
        whole = self._begun(name, left_s, _parent(mine, mine.span), about, error=course.error, now=now)
        within = set_span_in_context(whole, Context())
        for part, seconds in parts.items():
            left_s -= seconds
            if seconds > 0:
                ends = now - round(left_s * 1e9)
                self._begun(part, seconds, within, {}, now=ends).end(ends)
        whole.end(now)

    def close(self) -> None:
        self._processor.shutdown()

    def _span(self, name: str, seconds: float, about: Mapping[str, Value], error: str) -> None:
        mine = origin()
        self._begun(name, seconds, _parent(mine, mine.span), about, error=error).end()

    def _begun(
        self,
        name: str,
        seconds: float,
        within: Context,
        about: Mapping[str, Value],
        *,
        error: str = "",
        now: int | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        """A span that began so long before `now`, which is yet to be ended."""
        now = time.time_ns() if now is None else now
        began = now - round(seconds * 1e9)
        told = {**about, "error.type": error} if error else dict(about)
        span = self._tracer.start_span(name, within, kind, told, start_time=began)
        if error:
            span.set_status(StatusCode.ERROR)
        return span


def open_traces(address: str, *, dropped: Callable[[int], None]) -> Traces:
    """Traces for the collector at an address; `dropped` is told of spans that it did not get. Its headers and
    certificates are set by OTEL_EXPORTER_OTLP_* in the environment."""
    exporter = OTLPSpanExporter(f"{address.rstrip('/')}/v1/traces", timeout=SENT_WITHIN_S)
    return Traces(Sending(exporter, dropped=dropped))


def _parent(of: Origin, span: str) -> Context:
    """Of a span that is done for a request, where `span` is above it; nothing where none is."""
    if not span:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if of.sampled else TraceFlags.DEFAULT)
    above = SpanContext(int(of.trace, 16), int(span, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(above), Context())


class _Ids(RandomIdGenerator):
    """Draws ids, but for a request's own span, whose children know its id before it is made."""

    def __init__(self) -> None:
        self._here = threading.local()

    @contextmanager
    def given(self, of: Origin) -> Iterator[None]:
        """In the block a span of this thread is the request's."""
        self._here.origin = of
        try:
            yield
        finally:
            del self._here.origin

    def generate_span_id(self) -> int:
        mine: Origin | None = getattr(self._here, "origin", None)
        return int(mine.span, 16) if mine else super().generate_span_id()

    def generate_trace_id(self) -> int:
        mine: Origin | None = getattr(self._here, "origin", None)
        return int(mine.trace, 16) if mine else super().generate_trace_id()
