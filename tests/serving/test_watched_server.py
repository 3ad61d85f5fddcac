"""A whole server with its log in JSON and its spans at a collector: neither has a word of what was asked."""

import base64
import json
import re
from datetime import datetime
from types import SimpleNamespace

import httpx
import pytest

from tests._adapters import random_adapter
from tests.serving._collector import about, collecting
from tests.serving.soak.processes import served
from tests.serving.soak.server import SECRET
from tests.serving.test_no_traces import MARK, QUESTION, ask, png
from zoo.bases import get_base
from zoo.hub_publish import publish_folder
from zoo.localhub.server import serving
from zoo.vlm.model import load_base

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ID = "9f86d081-884c-4d65-9a2f-eaa0c55ad015"
LIMIT_S = 300
SCAN = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
PARTS = [{"type": "image_url", "image_url": {"url": SCAN}}, {"type": "text", "text": QUESTION}]
CHAT = {"model": "base", "messages": [{"role": "user", "content": PARTS}], "stream": True}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a collector and the log got of one comparison by a trusted proxy, the first of its adapter, and of
    a crowd of requests with the mark in all that a client can send."""
    folder = tmp_path_factory.mktemp("watched")
    manifest = random_adapter(folder / "made", load_base(get_base("phantom")), seed=0)
    places = {"HF_HOME": str(folder / "hf"), "HF_TOKEN": "local", "SOAK_RAISE_EVERY": "4"}
    places |= {"MEDZOO_ALLOW": "*", "MEDZOO_LOG": "json", "MEDZOO_PROXY_ADDRESSES": "127.0.0.1"}
    with serving(folder / "hub") as hub, collecting() as collector:
        places["MEDZOO_TRACES"] = places["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        places["FASTAPI_OTEL_AUTO_CONFIGURE"] = "true"  # which is overruled
        words = ["--port", "0", "--device", "cpu", "--hub", hub]
        with served(words, folder / "log", environment=places) as server:
            sha = publish_folder(folder / "made", "me/mdpo", message="a version", endpoint=hub)
            with httpx.Client(base_url=server.url, trust_env=False, timeout=LIMIT_S) as client:
                traced = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": f"a={MARK}"}
                reply = client.post(
                    "/v1/compare",
                    data={"question": QUESTION, "adapters": "me/mdpo,base", "max_tokens": "2"},
                    files={"image": (f"{MARK}.png", png())},
                    headers={**traced, "X-Request-ID": ID},
                )
                broken = client.post("/v1/chat/completions", json=CHAT)  # at its second step
                statuses = ask(client)
            server.child.terminate()
            server.child.communicate(timeout=LIMIT_S)
    assert server.child.returncode == 0
    assert "EngineFailed" in broken.text
    assert {200, 400, 404} <= set(statuses)
    said = [line for line in (folder / "log").read_text().splitlines() if line.startswith("{")]
    adapter = SimpleNamespace(id=f"me/mdpo@{sha}", digest=manifest.weights_sha256)
    return SimpleNamespace(reply=reply, adapter=adapter, collector=collector, said=said)


def test_no_planted_word_and_no_answer_is_in_a_span_or_in_what_is_sent_with_it(seen):
    answers = {one["text"] for one in seen.reply.json()["answers"]}
    assert all(answers)
    told = " ".join(str(about(span)) for span in seen.collector.spans)
    assert not answers & set(re.findall(r"\w+", told))
    sent = "".join([*(body.decode("latin-1") for body in seen.collector.came), *seen.collector.heads])
    for word in (MARK, "Jane", SECRET):
        assert word.lower() not in sent.lower()
    kinds = {span.name for span in seen.collector.spans}
    assert {"POST /v1/compare", "POST /v1/chat/completions", "other /v1/models", "comparison"} <= kinds
    assert not [span for span in seen.collector.spans if span.events or span.links or span.status.message]
    assert {head.partition("\n")[0] for head in seen.collector.heads} == {"/v1/traces"}
    assert not [span for span in seen.collector.spans if "url.path" in about(span)]


def test_the_spans_of_a_comparison_are_one_tree_under_the_callers(seen):
    spans = [span for span in seen.collector.spans if span.trace_id.hex() == TRACE]
    ids = {span.span_id.hex(): span.name for span in spans} | {CALLER: "the caller"}
    tree = sorted((span.name, ids[span.parent_span_id.hex()]) for span in spans)
    assert tree == [
        ("POST /v1/compare", "the caller"),
        ("comparison", "POST /v1/compare"),
        ("decode", "comparison"),
        ("first token", "comparison"),
        ("hub fetch", "POST /v1/compare"),
        ("hub resolve", "POST /v1/compare"),
        ("images", "POST /v1/compare"),
        ("load", "POST /v1/compare"),
        ("queue", "comparison"),
    ]
    told = {span.name: about(span) for span in spans}
    assert told["POST /v1/compare"] == {
        "http.request.method": "POST",
        "http.route": "/v1/compare",
        "http.response.status_code": 200,
        "medzoo.request": ID,
    }
    assert told["comparison"] == {
        "medzoo.rows": 2,
        "medzoo.adapters": [seen.adapter.id, "base"],
        "medzoo.digests": [seen.adapter.digest, ""],
        "medzoo.tokens": [2, 2],
        "medzoo.finish": [one["finish"] for one in seen.reply.json()["answers"]],
    }
    assert told["hub fetch"] == {"medzoo.adapter": seen.adapter.id}
    assert told["load"] == {
        "medzoo.adapter": seen.adapter.id,
        "medzoo.digest": seen.adapter.digest,
        "medzoo.from": "disk",
    }
    assert told["images"] == {"medzoo.images": 1, "medzoo.pixels": 64 * 64}
    began, ended = min(s.start_time_unix_nano for s in spans), max(s.end_time_unix_nano for s in spans)
    (request,) = [span for span in spans if span.name == "POST /v1/compare"]
    assert (began, ended) == (request.start_time_unix_nano, request.end_time_unix_nano)


def test_an_error_is_in_a_span_by_its_type(seen):
    errors = {about(span).get("error.type") for span in seen.collector.spans}
    assert {"NotOnHub", "EngineFailed", "BadImage"} <= errors


def test_each_line_of_the_log_is_json_without_a_planted_word(seen):
    assert MARK.lower() not in "".join(seen.said).lower()
    lines = [json.loads(line) for line in seen.said]
    assert all({"time", "level", "logger", "message", "request"} <= set(line) for line in lines)
    (first,) = [line for line in lines if line["request"] == ID]
    assert datetime.fromisoformat(first.pop("time")).tzinfo
    assert first.pop("ms") > 0
    assert first == {
        "level": "INFO",
        "logger": "medzoo.requests",
        "message": "request",
        "request": ID,
        "method": "POST",
        "route": "/v1/compare",
        "client": "local",
        "status": 200,
        "adapters": seen.reply.headers["x-medzoo-adapter"],
    }
    assert seen.reply.headers["x-request-id"] == ID
    assert {"", "/v1/models/{id:path}"} <= {line["route"] for line in lines if "route" in line}


def test_what_the_engines_thread_logs_names_the_request_that_it_is_about(seen):
    lines = [json.loads(line) for line in seen.said]
    asked = {line["request"] for line in lines if line["logger"] == "medzoo.requests"}
    failed = [line["request"] for line in lines if line["logger"] == "serving.engines.jobs"]
    assert failed
    assert asked >= set(failed)
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in asked - {ID})
