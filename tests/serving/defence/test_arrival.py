"""How much of a request's body may come, and how slowly."""

import asyncio
import contextlib
import json
import resource
import urllib.error
import urllib.request

import httpx
import pytest

from serving.defence.arrival import Arrival
from serving.defence.connections import LINGER_S
from tests.serving.defence._watched import LIMIT_S, watched
from tests.serving.defence.conftest import behind, error_of, everything, refuse

MOST = 100_000
BODY_S = 60
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: "


@pytest.fixture
def server():
    app = behind()
    app.add_middleware(Arrival, max_bytes=MOST, timeout_s=BODY_S, refuse=refuse)
    with watched(app) as server:
        yield server


@pytest.fixture
def client(server):
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=LIMIT_S) as client:
        yield client


def test_a_body_within_the_bound_arrives_whole(client):
    assert client.post("/x", content=bytes(MOST)).json()["bytes"] == MOST


def test_a_body_of_2_gb_is_refused_by_its_stated_length_before_it_is_sent(server):
    said = everything(
        server.connect(HEAD + b"2000000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
    )
    assert said.startswith(b"HTTP/1.1 413 ")
    assert error_of(said) == "the request has 2000000000 bytes or more, the limit is 100000"


def two_gb():
    chunk = bytes(1 << 20)
    for _ in range(2000):
        yield chunk


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(2000 << 20)}, {"Connection": "close"}])
def test_a_client_that_sends_2_gb_reads_that_it_is_too_much_and_none_of_it_is_kept(client, headers):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = client.post("/x", content=two_gb(), headers=headers)
    assert reply.status_code == 413
    assert "the limit is 100000" in reply.json()["error"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB
    assert client.get("/x").status_code == 200


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
def test_a_client_that_was_refused_and_goes_on_sending_is_left_soon(server, header):
    asking = server.connect(HEAD + b"2000000000\r\n" + header + b"\r\n")
    assert asking.recv(65536).startswith(b"HTTP/1.1 413 ")
    server.hears(asking, b"more")
    assert server.lost == 0
    server.later(LINGER_S)
    server.until(lambda: server.lost == 1)


def test_a_client_that_closes_after_each_request_reads_its_refusal_too(server):
    body = bytes(10 << 20)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as error:
        direct.open(urllib.request.Request(f"http://127.0.0.1:{server.port}/x", body), timeout=LIMIT_S)
    with contextlib.closing(error.value):
        assert json.load(error.value) == {
            "error": f"the request has {10 << 20} bytes or more, the limit is {MOST}"
        }


def test_a_body_that_does_not_come_to_its_end_in_time_is_given_up(server):
    asking = server.connect()
    server.hears(asking, HEAD + b"1000\r\n\r\n")
    for _ in range(3):
        server.hears(asking, b"y")
        server.later(BODY_S / 4)
    assert server.lost == 0
    server.later(BODY_S / 4)
    said = everything(asking)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert error_of(said) == "the request was not here whole within 60 s"


def test_an_answer_that_takes_long_is_waited_for():
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await asyncio.sleep(10 * BODY_S)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    app = Arrival(app, max_bytes=9, timeout_s=BODY_S, refuse=refuse)
    with watched(app, lifespan="off") as server:
        asking = server.connect()
        for number in (1, 2):  # both on the same connection
            asking.sendall(HEAD + b"1\r\n\r\nx")
            server.until(lambda number=number: len(asked) == number)
            server.later(9 * BODY_S)
            server.later(2 * BODY_S)
            said = b""
            while not said.endswith(b"ok"):
                said += asking.recv(65536)
            assert said.startswith(b"HTTP/1.1 200 ")
