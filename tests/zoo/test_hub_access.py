"""How a Hub is reached: with which login, through which proxy, and what an error tells of its address."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import close_session, get_session

from tests.zoo._carded import REPO
from zoo.errors import HubUnreachable, ZooError
from zoo.hub import (
    fetch,
    hub_address,
    list_adapters,
    resolve,
    shown,
)
from zoo.hub_publish import publish_folder

NOWHERE = "http://127.0.0.1:9"


def test_a_stored_login_is_sent_to_the_configured_hub_alone(monkeypatch):
    from zoo import hub_access

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.setattr(hub_access, "get_token", lambda: "stored")
    token = {
        address: hub_access.hub_api(address, None).token
        for address in ("https://huggingface.co", "https://hub.example.org", "http://127.0.0.1:8710")
    }
    assert token == {
        "https://huggingface.co": "stored",
        "https://hub.example.org": False,
        "http://127.0.0.1:8710": "local",
    }


class _Proxy(BaseHTTPRequestHandler):
    """Answers everything with 502 and keeps who was asked for and with which token."""

    def _see(self):
        self.server.seen.append((self.path, self.headers.get("authorization")))
        self.send_error(502)

    do_GET = do_HEAD = do_POST = do_PUT = do_CONNECT = _see

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy(monkeypatch):
    """What a proxy saw that the environment names for everything, and for which it excepts but one host."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "hub.example.net")
    close_session()
    yield server.seen
    close_session()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("client_was_made_before", [False, True])
def test_a_proxy_sees_nothing_of_what_is_asked_of_a_hub_on_loopback(
    adapter, hub, proxy, monkeypatch, client_was_made_before
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    if client_was_made_before:
        get_session()
    for address in (hub, hub.replace("127.0.0.1", "localhost")):
        sha = publish_folder(adapter, REPO, message="first", endpoint=address)
        fetch(REPO, sha, endpoint=address)
        assert [one.repo for one in list_adapters(endpoint=address)] == [REPO]
    assert proxy == []
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "hub.example.net,127.0.0.1,::1,localhost"
    with pytest.raises(HubUnreachable):
        resolve(REPO, endpoint="http://hub.example.org")
    assert "http://hub.example.org" in proxy[0][0]


def test_a_proxy_of_the_operating_system_still_serves_hubs_elsewhere(monkeypatch):
    from zoo import hub_access

    for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(hub_access, "getproxies", lambda: {"https": "http://10.0.0.1:3128"})
    hub_access.hub_api("http://[::1]:8710", None)
    assert (os.environ["https_proxy"], os.environ["no_proxy"]) == (
        "http://10.0.0.1:3128",
        "::1,127.0.0.1,localhost",
    )
    close_session()


def test_without_a_proxy_the_environment_stays_as_it_is(monkeypatch):
    from zoo import hub_access

    monkeypatch.setattr(hub_access, "getproxies", dict)
    before = dict(os.environ)
    hub_access.hub_api("http://127.0.0.1:8710", None)
    assert dict(os.environ) == before


def test_a_hub_that_hangs_up_on_an_idle_connection_is_asked_once_more():
    said = json.dumps({"id": "local/one", "sha": "a" * 40}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"

    def serve(hub):
        for answers in (1, 1, 0):  # of each connection; then it reads one question more and hangs up
            connection, _ = hub.accept()
            with connection:
                for _ in range(answers):
                    connection.recv(65536)
                    connection.sendall(head.encode() + said)
                connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as hub:
        threading.Thread(target=serve, args=(hub,), daemon=True).start()
        address = f"http://127.0.0.1:{hub.getsockname()[1]}"
        assert resolve("local/one", endpoint=address) == "a" * 40
        assert resolve("local/one", endpoint=address) == "a" * 40
        with pytest.raises(HubUnreachable, match="does not answer"):
            resolve("local/one", endpoint=address)


def test_no_error_tells_the_password_in_a_hub_s_address(adapter, hub):
    sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
    asked = hub.replace("://", "://user:hush@")
    down = "http://user:hush@127.0.0.1:9"
    said = []
    for ask in (
        lambda: resolve("zoo/none", endpoint=asked),
        lambda: resolve(REPO, "none", endpoint=asked),
        lambda: resolve(REPO, endpoint=down),
        lambda: list_adapters(endpoint=down),
        lambda: fetch("zoo/none", sha, endpoint=asked),
        lambda: hub_address("ftp://user:hush@x"),
    ):
        with pytest.raises(ZooError) as error:
            ask()
        said.append(str(error.value))
    assert not [text for text in said if "hush" in text or "user:" in text]
    assert [text for text in said if hub in text]
    assert shown(f"{asked} and {down}") == f"{hub} and {NOWHERE}"
