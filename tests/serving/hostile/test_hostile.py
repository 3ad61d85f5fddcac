"""Whatever a client or a repo does, it is refused by name, and the others are answered meanwhile."""

import itertools
import json
import socket
import struct
import threading
import time
import zlib
from base64 import b64encode
from contextlib import contextmanager, suppress
from select import select
from urllib.parse import urlsplit

import httpx
import pytest

from tests.serving.hostile.adapters import REFUSALS, bad_adapter
from tests.serving.soak.clients import scan_uri
from tests.serving.soak.fingerprints import Forge
from tests.serving.soak.processes import served
from tests.serving.soak.shelf import Shelf, alias
from zoo.bases import get_base
from zoo.hub_publish import publish_folder
from zoo.localhub.server import serving
from zoo.vlm.model import load_base

HEAD_S, BODY_S = 5.0, 6.0
"""How long the server lets a request's head and body take."""
LIMIT_S = 120
"""How long anything may take before a test that hangs ends."""
QUESTION = "What is shown?"


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A server with two fingerprint adapters, on a Hub that has a bad adapter of each kind too."""
    folder = tmp_path_factory.mktemp("hostile")
    with serving(folder / "hub") as hub:
        shelf = Shelf(hub, Forge(load_base(get_base("phantom"))), folder / "made", repos=2, versions=0)
        good = shelf.commits[shelf.names[0]][0].fingerprint.folder
        for number, kind in enumerate(REFUSALS):
            publish_folder(
                bad_adapter(kind, good, folder / kind), f"bad/b{number}", message="bad", endpoint=hub
            )
        words = [word for repo in shelf.names for word in ("--adapter", repo)]
        words += ["--hub", hub, "--port", "0", "--no-page", "--device", "cpu", "--slots", "2"]
        environment = {
            "HF_HOME": str(folder / "cache"),
            "HF_TOKEN": "local",
            "MEDZOO_ALLOW": "bad/*",
            "MEDZOO_HEAD_TIMEOUT_S": str(HEAD_S),
            "MEDZOO_BODY_TIMEOUT_S": str(BODY_S),
        }
        with served(words, folder / "log", environment=environment) as server:
            yield server, shelf


@contextmanager
def answered(rig, *, at_least=3):
    """A well-behaved client goes on asking; all its answers are right."""
    server, shelf = rig
    heard, stop = [], threading.Event()

    def ask():
        with httpx.Client(base_url=server.url, trust_env=False, timeout=LIMIT_S) as client:
            for repo in itertools.cycle(shelf.names):
                if stop.is_set() and len(heard) >= at_least:
                    return
                reply = client.post("/v1/chat/completions", json=chat(alias(repo), scan_uri(0)))
                text = reply.json()["choices"][0]["message"]["content"] if reply.status_code == 200 else ""
                right = shelf.commits[repo][0].fingerprint.says(5)
                heard.append((reply.status_code, text == right))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(2 * LIMIT_S)
    assert len(heard) >= at_least
    assert set(heard) == {(200, True)}


def chat(model, uri):
    content = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": QUESTION}]
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 5}


def refused(reply):
    """Status, type and message of an error."""
    error = reply.json()["error"]
    return reply.status_code, error["type"], error["message"]


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_bad_adapter_is_refused_by_its_own_message_while_others_are_answered(rig, kind):
    server, _ = rig
    repo = f"bad/b{list(REFUSALS).index(kind)}"
    status, name, part = REFUSALS[kind]
    with answered(rig):
        asked = httpx.post(
            f"{server.url}/v1/chat/completions",
            json=chat(repo, scan_uri(1)),
            trust_env=False,
            timeout=LIMIT_S,
        )
        loaded = httpx.post(
            f"{server.url}/v1/load_lora_adapter",
            json={"lora_name": "bad", "lora_path": repo},
            trust_env=False,
            timeout=LIMIT_S,
        )
    for reply in (asked, loaded):
        assert refused(reply)[:2] == (status, name)
        assert part in refused(reply)[2]
    listed = httpx.get(f"{server.url}/v1/models", trust_env=False, timeout=LIMIT_S).json()["data"]
    assert "bad" not in [one["id"] for one in listed]
    assert not list(server.log.parent.rglob("unpickled"))


def _png(side):
    """A black square of one bit a pixel, a valid file all through."""
    row = bytes(1 + (side + 7) // 8)
    squeeze = zlib.compressobj(9)
    data = b"".join(squeeze.compress(row * 100) for _ in range(side // 100)) + squeeze.flush()
    parts = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def test_a_bomb_image_is_refused_unopened_while_others_are_answered(rig):
    server, _ = rig
    bomb = _png(50_000)
    assert len(bomb) < 1_000_000
    uri = f"data:image/png;base64,{b64encode(bomb).decode()}"
    before = server.status("VmHWM")
    with answered(rig):
        asked = httpx.post(
            f"{server.url}/v1/chat/completions", json=chat("base", uri), trust_env=False, timeout=LIMIT_S
        )
        compared = httpx.post(
            f"{server.url}/v1/compare",
            data={"question": QUESTION, "adapters": "base"},
            files={"image": ("scan.png", bomb)},
            trust_env=False,
            timeout=LIMIT_S,
        )
    for reply in (asked, compared):
        assert refused(reply)[:2] == (413, "ImageTooLarge")
        assert "25000000 pixels" in refused(reply)[2]
    assert server.status("VmHWM") - before < 100_000


def _connect(server, head):
    address = urlsplit(server.url)
    sock = socket.create_connection((address.hostname, address.port), timeout=LIMIT_S)
    sock.sendall(f"{head}Host: {address.netloc}\r\nContent-Type: application/json\r\n".encode())
    return sock


def _told(sock):
    """Status and error of whatever the server has said, read to the end."""
    received = b""
    while chunk := sock.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/compare", "/v1/load_lora_adapter"])
def test_two_gigabytes_are_refused_by_their_stated_length_while_others_are_answered(rig, path):
    server, _ = rig
    with answered(rig), _connect(server, f"POST {path} HTTP/1.1\r\n") as sock:
        sock.sendall(b"Content-Length: 2147483648\r\n\r\n{")
        status, error = _told(sock)
        assert (status, "2147483648" in error["message"]) == (413, True)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/compare", "/v1/load_lora_adapter"])
def test_two_gigabytes_in_chunks_are_refused_on_the_way_while_others_are_answered(rig, path):
    server, _ = rig
    before, sent, chunk = server.status("VmHWM"), 0, b"a" * (1 << 20)
    with answered(rig), _connect(server, f"POST {path} HTTP/1.1\r\n") as sock:
        sock.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        while sent < 2 << 30 and not select([sock], [], [], 0)[0]:
            sock.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            sent += len(chunk)
        assert _told(sock)[0] == 413
    assert sent < 200 << 20
    assert server.status("VmHWM") - before < 200_000


def test_who_sends_two_gigabytes_and_never_reads_is_cut_off_while_others_are_answered(rig):
    server, _ = rig
    before, began, chunk = server.status("VmHWM"), time.monotonic(), b"a" * (1 << 20)
    with answered(rig), _connect(server, "POST /v1/compare HTTP/1.1\r\n") as sock:
        sock.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while time.monotonic() - began < LIMIT_S:
                sock.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        assert time.monotonic() - began < LIMIT_S
    assert server.status("VmHWM") - before < 200_000


def test_heads_that_come_a_byte_at_a_time_are_cut_off_while_others_are_answered(rig):
    server, _ = rig
    with answered(rig):
        began = time.monotonic()
        socks = [_connect(server, "GET /v1/models HTTP/1.1\r\n") for _ in range(40)]
        left = list(socks)
        while left and time.monotonic() - began < LIMIT_S:
            left = [sock for sock in left if _trickles(sock, b"X")]
            time.sleep(0.2)
        for sock in socks:
            sock.close()
        assert left == []


def test_bodies_that_come_a_byte_at_a_time_are_cut_off_while_others_are_answered(rig):
    server, _ = rig
    with answered(rig):
        began = time.monotonic()
        socks = [_connect(server, "POST /v1/chat/completions HTTP/1.1\r\n") for _ in range(40)]
        for sock in socks:
            sock.sendall(b"Content-Length: 100000\r\n\r\n")
        left = list(socks)
        while left and time.monotonic() - began < LIMIT_S:
            left = [sock for sock in left if _trickles(sock, b" ")]
            time.sleep(0.2)
        for sock in socks:
            sock.close()
        assert left == []


def _trickles(sock, byte):
    """Send one more byte; False once the server has answered or closed."""
    try:
        sock.sendall(byte)
        sock.setblocking(False)
        sock.recv(4096)
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        sock.setblocking(True)
    return False


def test_after_all_of_it_the_server_holds_nothing_of_it(rig):
    server, _ = rig
    with answered(rig):
        pass
    state = server.state()
    assert (state["users"], state["open"], state["slots"]) == (0, 0, 2)
    assert server.open_files() < 100
