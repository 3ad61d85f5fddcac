"""A public demo: whoever calls it by its names may ask, and change nothing."""

import pytest
from fastapi.testclient import TestClient

from serving.defence.callers import Callers
from serving.defence.gate import Gate
from serving.defence.pace import Pace, Quota
from tests.serving.defence.conftest import behind, refuse

AWAY = ("10.1.2.3", 50000)
SPACE = "https://me-zoo.hf.space"
FORWARDED = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "X-Real-Ip": "192.0.2.7"}


def client(*, burst=50, address=AWAY, base=SPACE):
    app = behind()
    callers = Callers(keys=None, hosts=["me-zoo.hf.space"], public=True)
    pace = Pace(Quota(per_minute=60, burst=burst, at_once=50))
    app.add_middleware(Gate, callers=callers, pace=pace, refuse=refuse, clock=lambda: 0.0)
    return TestClient(app, client=address, base_url=base)


@pytest.mark.parametrize("headers", [{}, FORWARDED], ids=["plain", "forwarded"])
def test_a_visitor_may_ask_through_a_proxy_without_a_key(headers):
    reply = client().post("/v1/compare", content=b"abc", headers=headers)
    assert reply.json() == {"client": "visitor", "role": "read", "bytes": 3}


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("/v1/load_lora_adapter", "admin"),
        ("/v1/unload_lora_adapter", "admin"),
        ("/v1/annotations/lists", "admin"),
        ("/v1/annotations/clicks", "annotate"),
    ],
)
def test_a_visitor_changes_nothing_and_rates_nothing(path, needed):
    reply = client().post(path, content=b"abc")
    assert reply.status_code == 403
    assert f"this demo's visitors has the role read, and this needs {needed}" in reply.text


def test_a_visitor_calls_the_demo_by_its_name():
    reply = client(base="http://rebound.evil.test").get("/v1/models")
    assert reply.status_code == 403
    assert "no such name as the Host header's" in reply.text


def test_another_sites_page_asks_nothing():
    reply = client().post("/v1/compare", headers={"Origin": "https://evil.test"})
    assert reply.status_code == 403


def test_all_visitors_share_one_quota_whatever_address_they_claim():
    visitors = client(burst=2)
    said = [
        visitors.get("/v1/models", headers={"X-Forwarded-For": f"192.0.2.{i}"}).status_code for i in range(3)
    ]
    assert said == [200, 200, 429]
