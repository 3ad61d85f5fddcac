"""Connections: the time of a request's head, how many there may be, and who does not read."""

import httpx
import pytest

from serving.defence import connections as module
from serving.defence.connections import SPARE
from serving.defence.proxies import Proxies, read_addresses
from tests.serving.defence._watched import LIMIT_S, watched
from tests.serving.defence.conftest import behind, error_of, everything

HEAD_S = 60
ASKED = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def server():
    with watched(behind(), head_timeout_s=HEAD_S) as server:
        yield server


@pytest.mark.parametrize("first", [b"", ASKED])
def test_a_head_that_does_not_come_to_its_end_in_time_is_given_up(server, first):
    asking = server.connect(first)
    said = b"" if first else b"}"
    while not said.endswith(b"}"):
        said += asking.recv(65536)
    server.hears(asking, b"GET /x HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    for _ in range(3):
        server.hears(asking, b"y")
        server.later(HEAD_S / 4)
    assert server.lost == 0
    server.later(HEAD_S / 4)
    said = everything(asking)
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert error_of(said) == "slow"


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(server):
    asking = server.connect()
    server.until(lambda: server.made == 1)
    server.later(HEAD_S / 2)
    assert server.lost == 0
    server.later(HEAD_S / 2)
    assert everything(asking) == b""


def test_one_connection_too_many_is_told_so_and_a_closed_one_makes_room(server):
    held = [server.connect() for _ in range(6)]
    server.until(lambda: server.made == 6)
    crowded = everything(server.connect(ASKED))
    assert crowded.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert error_of(crowded) == "crowded"
    for one in held:
        one.close()
    server.until(lambda: server.lost >= 6)
    assert everything(server.connect(LAST)).startswith(b"HTTP/1.1 200 ")


def test_where_all_connections_are_taken_it_can_still_be_asked_how_the_server_is(server, monkeypatch):
    monkeypatch.setattr(module, "SPARE_S", LIMIT_S)
    for _ in range(6):
        server.connect()
    server.until(lambda: server.made == 6)
    well = everything(server.connect(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2))
    assert well.startswith(b"HTTP/1.1 200 ")
    assert well.count(b"HTTP/1.1") == 1
    server.until(lambda: server.lost == 1)
    for _ in range(SPARE):
        server.connect()
    server.until(lambda: server.made == 7 + SPARE)
    assert everything(server.connect()).startswith(b"HTTP/1.1 503 ")


def test_a_spare_connection_on_which_nothing_is_asked_is_closed_very_soon(server):
    for _ in range(6):
        server.connect()
    server.until(lambda: server.made == 6)
    spare = server.connect()
    server.until(lambda: server.made == 7)
    server.later(module.SPARE_S)
    assert everything(spare) == b""
    assert server.lost == 1


def test_one_address_has_a_part_of_all_connections_and_this_machine_has_no_such_bound(monkeypatch):
    with watched(behind(), most=8) as server:
        near = [server.connect() for _ in range(3)]
        server.until(lambda: server.made == 3)
        monkeypatch.setattr(module, "is_loopback", lambda host: False)
        far = [server.connect() for _ in range(3)]
        assert error_of(everything(far.pop())) == "crowded"
        for one in (*near, *far):
            one.sendall(LAST)
            assert everything(one).startswith(b"HTTP/1.1 200 ")


def test_a_proxy_that_the_operator_named_may_have_all_connections(monkeypatch):
    proxies = Proxies(addresses=read_addresses(("127.0.0.1",)))
    monkeypatch.setattr(module, "is_loopback", lambda host: False)
    with watched(behind(), most=8, proxies=proxies) as server:
        for one in [server.connect() for _ in range(8)]:
            one.sendall(LAST)
            assert everything(one).startswith(b"HTTP/1.1 200 ")


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


def replies(chunks: int, size: int):
    """An application that says a lot."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(chunks):
            await send({"type": "http.response.body", "body": bytes(size), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.fixture
def unread_s(monkeypatch):
    """How long replies may lie unread: longer than the machine's clock ever moves in a test."""
    monkeypatch.setattr(module, "UNREAD_S", 2.0 * LIMIT_S)
    return module.UNREAD_S


def test_a_client_that_does_not_read_is_left_soon(unread_s):
    with watched(replies(1000, 1 << 20), lifespan="off") as server:
        server.connect(ASKED, receives=1024)
        server.until(lambda: server.paused)
        assert server.lost == 0
        # The machine's own buffers may take some more for a while, and the time begins anew.
        server.until(lambda: server.later(unread_s) or server.lost)


def test_a_client_that_reads_slowly_reads_all(unread_s):
    with watched(replies(1000, 100_000), lifespan="off") as server:
        asking, count = server.connect(LAST), 0
        for _ in range(4):
            server.until(lambda: server.paused > server.resumed)
            server.later(unread_s * 0.6)
            before = server.resumed
            while server.resumed == before:
                assert server.lost == 0
                count += len(asking.recv(1 << 20))
        while more := len(asking.recv(1 << 20)):
            count += more
        assert count > 100_000_000


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01 hello\r\n\r\n", b"GET /x HTTP/1.1\r\n\r\n", b"A" * 100_000]
)
def test_what_is_no_request_is_told_so(server, garbage):
    said = everything(server.connect(garbage))
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert error_of(said) == "unreadable"


def test_others_are_answered_while_some_dawdle(server):
    for _ in range(3):
        server.hears(server.connect(), b"GET /x HTTP/1.1\r\nX: y")
    url = f"http://127.0.0.1:{server.port}/x"
    with httpx.Client(trust_env=False, timeout=LIMIT_S) as client:
        for _ in range(20):
            assert client.post(url, content=b"abc").json()["bytes"] == 3
