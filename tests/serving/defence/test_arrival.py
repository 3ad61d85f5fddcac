import contextlib
import json
import resource
import socket
import threading
import time
import urllib.error
import urllib.request

import httpx
import pytest

from serving.defence import connections as module
from serving.defence.arrival import Arrival
from serving.defence.connections import LINGER_S, SPARE, Refusals, connections
from tests.serving.defence.conftest import behind, error_of, refuse

MOST = 100_000
REFUSALS = Refusals(
    slow=b'{"error": "slow"}', crowded=b'{"error": "crowded"}', unreadable=b'{"error": "unreadable"}'
)


@pytest.fixture
def port(serve):
    app = behind()
    app.add_middleware(Arrival, max_bytes=MOST, timeout_s=0.5, refuse=refuse)
    http = connections(most=6, head_timeout_s=0.5, refusals=REFUSALS)
    with serve(app, http=http) as port:
        yield port


@pytest.fixture
def client(port):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def connect(port):
    """Call it for a bare connection."""
    opened = []

    def connected(sent=b""):
        opened.append(socket.create_connection(("127.0.0.1", port), timeout=10))
        opened[-1].sendall(sent)
        return opened[-1]

    yield connected
    for one in opened:
        one.close()


def everything(connection) -> bytes:
    """What is said until the other side closes."""
    said = b""
    while more := connection.recv(65536):
        said += more
    return said


def drip(connection, data: bytes, *, every_s: float) -> None:
    """Send byte by byte, from a thread of its own, until that fails."""

    def send():
        try:
            for one in data:
                connection.sendall(bytes([one]))
                time.sleep(every_s)
        except OSError:
            pass

    threading.Thread(target=send, daemon=True).start()


def test_a_body_within_the_bound_arrives_whole(client):
    assert client.post("/x", content=bytes(MOST)).json()["bytes"] == MOST


def test_a_body_of_2_gb_is_refused_by_its_stated_length_before_it_is_sent(client, connect):
    began = time.monotonic()
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n"
    asking = connect(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
    said = everything(asking)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert error_of(said) == "the request has 2000000000 bytes or more, the limit is 100000"
    assert time.monotonic() - began < 5


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
def test_a_client_that_was_refused_and_goes_on_sending_is_left_soon(connect, header):
    asking = connect(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n" + header + b"\r\n")
    began = time.monotonic()
    drip(asking, bytes(1000), every_s=0.05)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        assert everything(asking).startswith(b"HTTP/1.1 413 ")
        while asking.send(b"more"):
            time.sleep(0.05)
    assert time.monotonic() - began < LINGER_S + 1


def test_a_client_that_closes_after_each_request_reads_its_refusal_too(port):
    body = bytes(10 << 20)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as error:
        direct.open(urllib.request.Request(f"http://127.0.0.1:{port}/x", body), timeout=20)
    with contextlib.closing(error.value):
        assert json.load(error.value) == {
            "error": f"the request has {10 << 20} bytes or more, the limit is {MOST}"
        }


def test_a_body_that_does_not_come_to_its_end_in_time_is_given_up(connect):
    asking = connect(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    began = time.monotonic()
    drip(asking, bytes(1000), every_s=0.05)
    said = everything(asking)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert error_of(said) == "the request was not here whole within 0.5 s"
    assert 0.4 < time.monotonic() - began < 5


@pytest.mark.parametrize("first", [b"", b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_head_that_does_not_come_to_its_end_in_time_is_given_up(connect, first):
    asking = connect(first)
    if first:
        said = asking.recv(65536)
        while not said.endswith(b"}"):
            said += asking.recv(65536)
    began = time.monotonic()
    drip(asking, b"GET /x HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 1000, every_s=0.05)
    said = everything(asking)
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert error_of(said) == "slow"
    assert 0.4 < time.monotonic() - began < 2


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(connect):
    began = time.monotonic()
    assert everything(connect()) == b""
    assert 0.4 < time.monotonic() - began < 2


def test_an_answer_that_takes_long_is_waited_for(serve):
    async def app(scope, receive, send):
        import asyncio

        await asyncio.sleep(0.5)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    http = connections(most=6, head_timeout_s=0.2, refusals=REFUSALS)
    options = {"http": http, "lifespan": "off"}
    app = Arrival(app, max_bytes=9, timeout_s=0.2, refuse=refuse)
    with serve(app, **options) as port, httpx.Client(trust_env=False) as client:
        for _ in range(2):  # the second on the connection of the first
            assert client.post(f"http://127.0.0.1:{port}/", content=b"x").text == "ok"


def test_one_connection_too_many_is_told_so_and_a_closed_one_makes_room(connect, client):
    held = [connect() for _ in range(6)]
    time.sleep(0.1)
    crowded = everything(connect(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert crowded.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert error_of(crowded) == "crowded"
    for one in held:
        one.close()
    time.sleep(0.1)
    assert client.get("/x").status_code == 200


def test_where_all_connections_are_taken_it_can_still_be_asked_how_the_server_is(connect):
    held = [connect() for _ in range(6)]
    time.sleep(0.1)
    well = everything(connect(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2))
    assert well.startswith(b"HTTP/1.1 200 ")
    assert well.count(b"HTTP/1.1") == 1
    held += [connect() for _ in range(SPARE)]
    time.sleep(0.1)
    assert everything(connect()).startswith(b"HTTP/1.1 503 ")


def test_one_address_has_a_part_of_all_connections_and_this_machine_has_no_such_bound(serve, monkeypatch):
    http = connections(most=8, head_timeout_s=5, refusals=REFUSALS)
    with serve(behind(), http=http) as port:
        near = [socket.create_connection(("127.0.0.1", port), timeout=2) for _ in range(3)]
        time.sleep(0.1)
        monkeypatch.setattr(module, "is_loopback", lambda host: False)
        far = [socket.create_connection(("127.0.0.1", port), timeout=2) for _ in range(3)]
        assert error_of(everything(far.pop())) == "crowded"
        for one in (*near, *far):
            one.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert everything(one).startswith(b"HTTP/1.1 200 ")
            one.close()


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:0db8:0001:0002"),
        ("127.0.0.1", ""),
        ("::1", ""),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(host, peer):
    assert module._peer(host) == peer


def test_a_client_that_does_not_read_is_left_soon(serve, monkeypatch):
    monkeypatch.setattr(module, "UNREAD_S", 0.3)
    lost = []
    ended = module._Connection.connection_lost
    noting = lambda self, exc: (lost.append(time.monotonic()), ended(self, exc))  # noqa: E731
    monkeypatch.setattr(module._Connection, "connection_lost", noting)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    http = connections(most=6, head_timeout_s=5, refusals=REFUSALS)
    with serve(app, http=http, lifespan="off") as port, socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        asking.connect(("127.0.0.1", port))
        began = time.monotonic()
        asking.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        while not lost and time.monotonic() < began + 5:
            time.sleep(0.02)
        assert lost
        assert lost[0] - began > 0.25


def test_a_client_that_reads_slowly_reads_all(serve, monkeypatch):
    monkeypatch.setattr(module, "UNREAD_S", 0.5)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(60):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    http = connections(most=6, head_timeout_s=5, refusals=REFUSALS)
    with serve(app, http=http, lifespan="off") as port:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as asking:
            asking.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            count, began = 0, time.monotonic()
            while more := asking.recv(100_000):
                count += len(more)
                time.sleep(0.02)
        assert time.monotonic() - began > 0.5
        assert count > 6_000_000


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01 hello\r\n\r\n", b"GET /x HTTP/1.1\r\n\r\n", b"A" * 100_000]
)
def test_what_is_no_request_is_told_so(connect, garbage):
    said = everything(connect(garbage))
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert error_of(said) == "unreadable"


def test_others_are_answered_while_some_dawdle(connect, client):
    for _ in range(3):
        drip(connect(), b"GET /x HTTP/1.1\r\nX: " + b"y" * 1000, every_s=0.05)
    for _ in range(20):
        assert client.post("/x", content=b"abc").json()["bytes"] == 3
        time.sleep(0.02)
