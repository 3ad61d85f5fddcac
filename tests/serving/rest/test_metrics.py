import re

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from serving.app import build_app
from zoo.errors import Busy


@pytest.fixture
def client(rig):
    with TestClient(build_app(rig.service, page=False)) as client:
        yield client


def counted(client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def form(client, png, adapters, question="Q"):
    return client.post("/v1/compare", files={"image": png}, data={"question": question, "adapters": adapters})


def test_what_the_engine_does_is_counted(client, png):
    assert form(client, png, "mdpo,base").status_code == 200
    assert form(client, png, "base", question="explode").status_code == 500
    assert form(client, png, "local/absent").status_code == 404
    now = counted(client)
    assert now["medzoo_tokens_total", ()] == 6
    assert now["medzoo_step_seconds_total", ()] > 0
    assert now["medzoo_first_token_seconds_count", ()] == 1
    assert now["medzoo_load_seconds_count", ()] == 1
    assert now["medzoo_resident_adapters", ()] == 1
    assert now["medzoo_evictions_total", ()] == 0
    assert now["medzoo_queue_rows", ()] == 0
    assert now["medzoo_batch_rows_bucket", (("le", "2.0"),)] >= 1
    assert now["medzoo_failures_total", (("reason", "NotOnHub"),)] == 1
    assert sum(value for (name, _), value in now.items() if name == "medzoo_failures_total") == 2
    assert now["process_resident_memory_bytes", ()] > 0


def test_what_is_turned_away_before_the_engine_is_counted_by_its_reason(client, png, rig, monkeypatch):
    def full(**_):
        raise Busy("full")

    rig.service._timeout_s = 0.1
    rig.hub.gate.clear()
    assert form(client, png, "mdpo").status_code == 504
    rig.hub.gate.set()
    monkeypatch.setattr(rig.engine, "check_room", full)
    assert form(client, png, "base").status_code == 429
    now = counted(client)
    for reason in ("DeadlinePassed", "Busy"):
        assert now["medzoo_failures_total", (("reason", reason),)] == 1


def test_no_label_is_something_that_a_client_chose(client, png):
    form(client, png, "secret-name", question="secret question")
    client.get("/v1/models/secret-name")
    client.get("/secret-path?secret-query")
    client.request("SECRET", "/v1/models")
    now = counted(client)
    assert "secret" not in str(now).lower()
    count = {
        dict(labels)["route"]: value
        for (name, labels), value in now.items()
        if name.endswith("ds_count") and labels
    }
    assert count == {"/v1/compare": 1, "/v1/models/{id:path}": 1, "other": 1, "/v1/models": 1}


def test_requests_are_counted_by_route_and_status(client, png):
    form(client, png, "base")
    form(client, png, "mdop")
    now = counted(client)
    seen = {labels for name, labels in now if name == "medzoo_request_seconds_count"}
    assert seen == {
        (("method", "POST"), ("route", "/v1/compare"), ("status", "200")),
        (("method", "POST"), ("route", "/v1/compare"), ("status", "404")),
    }


def test_two_servers_count_apart(make_rig):
    one, other = make_rig().service.metrics, make_rig().service.metrics
    one.evicted()
    assert re.search(rb"medzoo_evictions_total 1\.0", one.text())
    assert re.search(rb"medzoo_evictions_total 0\.0", other.text())
