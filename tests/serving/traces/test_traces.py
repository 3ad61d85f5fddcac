"""Which spans are made of what a watch is told."""

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.core.origin import arriving, on_behalf
from serving.core.watch import Course
from serving.traces import Traces
from zoo.errors import BadInput, NotOnHub, WrongBase

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def kept():
    return InMemorySpanExporter()


@pytest.fixture
def traces(kept):
    return Traces(SimpleSpanProcessor(kept))


def named(kept):
    return {span.name: span for span in kept.get_finished_spans()}


def test_the_times_of_a_comparison_follow_one_another(traces, kept):
    traces.ended(Course(looks=False, adapters=(None,), waited_s=1.0, first_s=2.0, decoded_s=4.0))
    found = named(kept)
    whole = found.pop("comparison")
    assert whole.end_time - whole.start_time == 7_000_000_000
    times = {
        name: (span.start_time - whole.start_time, span.end_time - whole.start_time)
        for name, span in found.items()
    }
    assert times == {
        "queue": (0, 1_000_000_000),
        "first token": (1_000_000_000, 3_000_000_000),
        "decode": (3_000_000_000, 7_000_000_000),
    }
    assert {span.parent.span_id for span in found.values()} == {whole.context.span_id}
    assert whole.parent is None


def test_a_comparison_that_failed_before_it_began_only_waited(make_rig, traces, kept, image):
    rig = make_rig(watch=traces)
    with pytest.raises(WrongBase):
        rig.service.compare([image], "Q", ["local/other"])
    found = named(kept)
    assert set(found) == {"load", "comparison", "queue"}
    assert found["load"].attributes["error.type"] == "WrongBase"
    assert "medzoo.from" not in found["load"].attributes
    assert found["comparison"].attributes["error.type"] == "WrongBase"
    assert not found["comparison"].status.is_ok
    assert found["comparison"].status.description is None


def test_an_adapter_that_is_loaded_again_comes_from_memory(make_rig, traces, kept, image):
    rig = make_rig(watch=traces, slots=1)
    for name in ("sft", "mdpo", "sft"):
        rig.service.compare([image], "Q", [name])
    loads = [span for span in kept.get_finished_spans() if span.name == "load"]
    assert [span.attributes["medzoo.from"] for span in loads] == ["disk", "disk", "memory"]


def test_looking_is_told_from_comparing(make_rig, traces, kept, image):
    from serving.service import Asked
    from zoo.asking import question

    rig = make_rig(watch=traces)
    rig.service.look(Asked(images=(image,), turns=question("Q", images=1), adapters=("base",)))
    assert set(named(kept)) >= {"look", "queue"}
    assert "comparison" not in named(kept)


def test_a_caller_that_wants_no_spans_gets_none(traces, kept):
    with on_behalf(arriving(traceparent=f"00-{TRACE}-{CALLER}-00")):
        traces.request("POST", "/v1/compare", 200, 1.0)
        traces.images(1, 10, 0.1, "")
    assert kept.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("method", "route", "status", "told"),
    [
        ("GET", "/healthz", 200, False),
        ("GET", "/metrics", 200, False),
        ("GET", "other", 304, False),
        ("GET", "other", 404, True),
        ("GET", "/v1/models", 200, True),
        ("POST", "/gradio_api/queue/join", 200, True),
    ],
)
def test_what_a_page_is_made_of_and_questions_after_health_are_not_traced(
    traces, kept, method, route, status, told
):
    mine = arriving()
    with on_behalf(mine):
        traces.request(method, route, status, 0.5)
    ids = [f"{span.context.trace_id:032x} {span.context.span_id:016x}" for span in kept.get_finished_spans()]
    assert ids == ([f"{mine.trace} {mine.span}"] if told else [])


def test_a_name_that_no_adapter_has_is_in_no_span(make_rig, traces, kept, image):
    rig = make_rig(watch=traces)
    rig.library._watch = traces
    rig.hub.fault = BadInput("no such repo")
    for name in ("local/jane", f"local/jane@{'1' * 40}"):
        with pytest.raises((NotOnHub, BadInput)):
            rig.service.compare([image], "Q", [name])
    calls = [(span.name, dict(span.attributes)) for span in kept.get_finished_spans()]
    assert calls == [
        ("hub resolve", {"error.type": "NotOnHub"}),
        ("hub fetch", {"error.type": "BadInput"}),
    ]


def test_no_library_finds_these_traces(traces):
    assert not isinstance(trace.get_tracer_provider(), type(traces._tracer))
    assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"


def test_a_servers_name_is_the_operators_where_one_is_set(monkeypatch):
    def told():
        kept = InMemorySpanExporter()
        Traces(SimpleSpanProcessor(kept)).images(1, 1, 0.1, "")
        about = kept.get_finished_spans()[0].resource.attributes
        return about["service.name"], about["service.instance.id"]

    (name, one), (_, other) = told(), told()
    assert name == "medzoo"
    assert one != other
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=zoo,service.instance.id=a")
    assert told() == ("zoo", "a")


def test_without_the_setting_nothing_of_tracing_is_loaded():
    code = (
        "import sys, serving.opening, serving.engines.embedded, serving.app, serving.run; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "serving.opening" in loaded
    heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "serving.traces")
    assert [name for name in loaded if name.startswith(heavy)] == []
