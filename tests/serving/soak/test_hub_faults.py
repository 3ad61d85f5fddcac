"""The proxy does the harm that the soak counts on, and none besides."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.serving.soak.hub_faults import Faults, misbehaving

BODY = b"the body" * 1000


@pytest.fixture
def good():
    """The address of a server that answers every GET with a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("X-Told", self.headers["X-Asked"])
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_without_a_fault_it_passes_on_what_was_asked_and_said(good):
    with misbehaving(good, Faults()) as url:
        reply = httpx.get(f"{url}/a/b?c=d", headers={"X-Asked": "yes"}, trust_env=False, timeout=60)
    assert (reply.status_code, reply.headers["X-Told"], reply.content) == (200, "yes", BODY)


@pytest.mark.parametrize(
    ("kind", "error"), [("slow", httpx.ReadTimeout), ("cut", httpx.RemoteProtocolError), ("500", None)]
)
def test_each_fault_is_what_it_is_called(good, kind, error):
    faults = Faults(share=1.0, silence_s=60.0, kinds=(kind,))
    patience = httpx.Timeout(60, read=2 if kind == "slow" else 60)
    with misbehaving(good, faults) as url:
        if error is None:
            assert httpx.get(url, trust_env=False, timeout=60).status_code == 500
        else:
            with pytest.raises(error):
                httpx.get(url, timeout=patience, trust_env=False)
    assert faults.done == {kind: 1}


def test_after_it_ends_nobody_listens_there(good):
    with misbehaving(good, Faults()) as url:
        port = int(url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
