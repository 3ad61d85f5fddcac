"""What the server counts, for Prometheus. Each server has a registry of its own.

No label is ever something that a client chose: routes are templates, and reasons are types of errors.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

from serving.core.requests import AdapterId
from serving.core.watch import Watch

ALARMING = ("Busy", "EngineFailed", "HubError", "HubUnreachable")
"""Counted from 0: of a series that begins at 1 Prometheus does not see the first."""
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics(Watch):
    """Counts what the engine, the library and the web application tell; see `Watch` for the calls."""

    def __init__(self) -> None:
        to = CollectorRegistry()
        self.told: Collector = to
        """What `text` tells."""
        ProcessCollector(registry=to)
        self._queue = Gauge("medzoo_queue_rows", "Answers that wait for the engine.", registry=to)
        self._batch = Histogram(
            "medzoo_batch_rows",
            "Answers in a batch when it began.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=to,
        )
        self._tokens = Counter("medzoo_tokens", "Tokens generated; its rate is tokens a second.", registry=to)
        self._working = Counter("medzoo_step_seconds", "Seconds that steps of the model took.", registry=to)
        self._first = Histogram(
            "medzoo_first_token_seconds",
            "From a comparison's submission to its first token.",
            buckets=_SECONDS,
            registry=to,
        )
        self._loads = Histogram(
            "medzoo_load_seconds", "Loads of an adapter, checks included.", buckets=_SECONDS, registry=to
        )
        self._bad_loads = Counter(
            "medzoo_load_failures", "Loads of an adapter that a check or a fault ended.", registry=to
        )
        self._evictions = Counter("medzoo_evictions", "Slots given up for another adapter.", registry=to)
        self._resident = Gauge("medzoo_resident_adapters", "Adapters in a slot.", registry=to)
        self._failures = Counter(
            "medzoo_failures",
            "What ended with an error in the engine or on the way to the Hub, by the error's type.",
            ["reason"],
            registry=to,
        )
        for reason in ALARMING:
            self._failures.labels(reason)
        self._replicas = Gauge("medzoo_replicas", "Replicas of a cluster that answer.", registry=to)
        self._gone = Counter(
            "medzoo_replicas_gone", "Replicas that no longer answer: lost, hung or ended.", registry=to
        )
        self._again = Counter(
            "medzoo_begun_anew",
            "What was asked of a replica and began anew at another, by why: lost, silent, busy.",
            ["why"],
            registry=to,
        )
        for why in ("lost", "silent", "busy"):
            self._again.labels(why)
        self._lost_spans = Counter(
            "medzoo_spans_dropped", "Spans of traces that the collector did not get.", registry=to
        )
        self._requests = Histogram(
            "medzoo_request_seconds",
            "Requests, from the first byte to the last of the reply.",
            ["method", "route", "status"],
            buckets=_SECONDS,
            registry=to,
        )

    def queue(self, rows: int) -> None:
        """See `Watch`, as for all below."""
        self._queue.set(rows)

    def batch(self, rows: int) -> None:
        self._batch.observe(rows)

    def step(self, tokens: int, seconds: float) -> None:
        self._tokens.inc(tokens)
        self._working.inc(seconds)

    def first_token(self, seconds: float) -> None:
        self._first.observe(seconds)

    def loaded(self, adapter: AdapterId, seconds: float, source: str, error: str) -> None:
        if error:
            self._bad_loads.inc()
        else:
            self._loads.observe(seconds)

    def evicted(self) -> None:
        self._evictions.inc()

    def resident(self, adapters: int) -> None:
        self._resident.set(adapters)

    def failed(self, reason: str) -> None:
        self._failures.labels(reason).inc()

    def again(self, why: str) -> None:
        self._again.labels(why).inc()

    def replicas(self, standing: int, gone: int) -> None:
        self._replicas.set(standing)
        self._gone.inc(gone)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).observe(seconds)

    def dropped(self, spans: int) -> None:
        """So many spans did not reach the collector of traces."""
        self._lost_spans.inc(spans)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.told)
