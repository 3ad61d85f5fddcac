"""Which ids of requests are believed, and that each reply tells one."""

import re

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from serving.core.origin import origin
from serving.defence.origins import Originated
from serving.defence.proxies import Proxies, read_addresses

PROXY, AWAY = ("10.1.2.3", 5), ("10.9.9.9", 5)
ID = "9f86d081-884c-4d65-9a2f-eaa0c55ad015"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def client_at():
    app = FastAPI()

    @app.get("/")
    def own(request: Request):
        assert request.state.origin == origin()
        return vars(origin())

    app.add_middleware(Originated, proxies=Proxies(addresses=read_addresses(("10.1.2.0/24",))))
    return lambda address: TestClient(app, client=address)


def test_an_id_of_a_trusted_proxy_is_the_requests(client_at):
    reply = client_at(PROXY).get("/", headers={"X-Request-ID": ID})
    assert reply.json()["request"] == reply.headers["x-request-id"] == ID


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        (AWAY, [("X-Request-ID", ID)]),
        (PROXY, []),
        (PROXY, [("X-Request-ID", "Jane-Doe-1970-01-01")]),
        (PROXY, [("X-Request-ID", "a" * 15)]),
        (PROXY, [("X-Request-ID", "a" * 65)]),
        (PROXY, [("X-Request-ID", ID), ("X-Request-ID", ID)]),
    ],
)
def test_without_one_that_can_be_believed_an_id_is_drawn(client_at, address, headers):
    replies = [client_at(address).get("/", headers=headers) for _ in range(2)]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
    assert ids[0] != ids[1]
    assert [reply.json()["request"] for reply in replies] == ids


def test_a_trace_goes_on_from_everybody_unless_it_is_told_twice(client_at):
    header = ("traceparent", f"00-{TRACE}-{PARENT}-01")
    once, twice = (client_at(AWAY).get("/", headers=[header] * times).json() for times in (1, 2))
    assert (once["trace"], once["parent"]) == (TRACE, PARENT)
    assert twice["trace"] != TRACE
    assert twice["parent"] == ""
