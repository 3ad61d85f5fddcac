"""A collector that is slow, away or broken costs spans, and nobody's time."""

import logging
import threading
from functools import partial

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from serving import traces as traces_module
from serving.core.watch import guarded
from serving.metrics import Metrics
from serving.traces import Traces, open_traces
from serving.traces.sending import Sending
from tests.serving._collector import about, collecting

LIMIT_S = 60


class Collector:
    """Holds whoever sends to it while `gate` is clear; gives the next of `answers`, at last success."""

    def __init__(self, *answers):
        self.answers, self.batches = list(answers), []
        self.gate, self.busy, self.ended = threading.Event(), threading.Event(), False
        self.gate.set()

    def export(self, spans):
        self.busy.set()
        self.gate.wait(LIMIT_S)
        self.batches.append([span.name for span in spans])
        answer = self.answers.pop(0) if self.answers else SpanExportResult.SUCCESS
        if isinstance(answer, Exception):
            raise answer
        return answer

    def shutdown(self):
        self.ended = True


@pytest.fixture
def sending():
    """Call it with a collector: what sends to it, and the counts of spans that were dropped."""
    made = []

    def make(collector, **options):
        lost = []
        patient = {"last_words_s": LIMIT_S, **options}
        made.append((Sending(collector, dropped=lost.append, **patient), collector))
        return made[-1][0], lost

    yield make
    for one, collector in made:
        collector.gate.set()
        one.shutdown()


def spans(to, *names):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(to)
    for name in names:
        provider.get_tracer("x").start_span(name).end()


def test_what_waits_is_bounded_while_the_collector_is_slow_and_the_rest_is_counted(sending):
    collector = Collector()
    collector.gate.clear()
    to, lost = sending(collector, most=3, at_once=1)
    spans(to, "a")
    assert collector.busy.wait(LIMIT_S)
    spans(to, *"bcdef")  # returns though nothing is taken
    assert lost == [1, 1]
    collector.gate.set()
    to.shutdown()
    assert collector.batches == [["a"], ["b"], ["c"], ["d"]]


def test_what_could_not_be_sent_is_counted_and_said_once(sending, caplog):
    broken = KeyError("quotes")
    collector = Collector(SpanExportResult.FAILURE, broken, SpanExportResult.SUCCESS)
    caplog.set_level(logging.WARNING)
    to, lost = sending(collector, at_once=1)
    spans(to, *"abcd")
    to.shutdown()
    assert collector.batches == [["a"], ["b"], ["c"], ["d"]]
    assert lost == [1, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "the collector of traces does not take spans",
        "spans could not be sent: KeyError",
        "the collector of traces is back",
    ]


def test_the_end_sends_what_waits(sending):
    collector = Collector()
    to, lost = sending(collector, every_s=LIMIT_S)
    spans(to, *"abc")
    to.shutdown()
    assert (collector.batches, lost, collector.ended) == ([["a", "b", "c"]], [], True)


def test_the_end_does_not_wait_for_a_collector_that_hangs(sending):
    collector = Collector()
    collector.gate.clear()
    to, lost = sending(collector, at_once=1, last_words_s=0.01)
    spans(to, "a")
    assert collector.busy.wait(LIMIT_S)
    spans(to, "b", "c")
    to.shutdown()  # returns though the collector still has the first
    spans(to, "d")
    assert (lost, collector.ended) == ([2, 1], True)


def test_answers_come_while_the_collector_hangs(make_rig, image):
    collector, metrics = Collector(), Metrics()
    collector.gate.clear()
    traces = Traces(Sending(collector, dropped=metrics.dropped, most=1, at_once=1, last_words_s=0.01))
    rig = make_rig(watch=guarded(metrics, traces))
    for _ in range(3):
        assert rig.service.compare([image], "Q", ["sft", "base"]).answers[0].text == "sft: Q 64x48"
    traces.close()
    assert float(metrics.text().split(b"\nmedzoo_spans_dropped_total ")[1].split()[0]) > 0
    collector.gate.set()


def test_spans_go_to_the_collectors_address_and_one_that_is_away_is_counted(make_rig, image, monkeypatch):
    monkeypatch.setattr(traces_module, "Sending", partial(Sending, last_words_s=LIMIT_S))
    lost = []
    with collecting() as collector:
        traces = open_traces(f"{collector.url}/", dropped=lost.append)
        make_rig(watch=traces).service.compare([image], "Q", ["base"])
        traces.close()
        assert {head.partition("\n")[0] for head in collector.heads} == {"/v1/traces"}
        (whole,) = [span for span in collector.spans if span.name == "comparison"]
        assert about(whole)["medzoo.rows"] == 1
        assert lost == []
    away = open_traces(collector.url, dropped=lost.append)
    make_rig(watch=away).service.compare([image], "Q", ["base"])
    away.close()
    assert sum(lost) == 4
