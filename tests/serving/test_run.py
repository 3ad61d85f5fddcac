import asyncio
import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from PIL import Image

from serving import run
from serving.annotations.desk import Desk
from serving.defence.gate import Inside
from serving.settings import Settings
from tests.serving._clocks import MovedLoop

ROOT = Path(__file__).parents[2]
LIMIT_S = 120
"""How long anything may take before a test that hangs ends."""


class Server:
    """A server on fakes in a process of its own."""

    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.serving.fake_server"],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        ready = self.process.stdout.readline()
        assert ready.startswith("ready at "), self.process.stderr.read()
        self.client = httpx.Client(base_url=ready.split()[-1], trust_env=False, timeout=LIMIT_S)
        self.events: list[str] = []

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the server."""
        ends = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < ends, "it never came to hold"
            time.sleep(0.01)

    def until_it_says_that_it_ends(self) -> None:
        self.until(lambda: self.client.get("/readyz").status_code == 503)

    def stream(self, words: int) -> None:
        """Ask for an answer of so many words, from a thread of its own; it stops after its first one."""
        self._thread = threading.Thread(target=self._read, args=(words,))
        self._thread.start()
        self.step()
        self.until(lambda: any('"content"' in event for event in self.events))

    def step(self) -> None:
        """Let the model make a word."""
        with suppress(BrokenPipeError):  # of a server that has ended
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def go_on(self) -> None:
        """Let the model make all the words that are left."""
        self.process.stdin.close()

    def _read(self, words: int) -> None:
        asked = {**question(" ".join(["word"] * words)), "stream": True}
        try:
            with self.client.stream("POST", "/v1/chat/completions", json=asked) as reply:
                for line in reply.iter_lines():
                    if line.startswith("data: "):
                        self.events.append(line.removeprefix("data: "))
        except httpx.TransportError:
            self.events.append("broken off")

    def end(self) -> tuple[int, str]:
        """Wait for the end: exit code and standard error."""
        self._thread.join(LIMIT_S)
        stderr = self.process.stderr.read()
        return self.process.wait(LIMIT_S), stderr


def question(text: str) -> dict:
    out = io.BytesIO()
    Image.new("L", (8, 8), 100).save(out, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    image = {"type": "image_url", "image_url": {"url": uri}}
    content = [image, {"type": "text", "text": text}]
    return {"model": "base", "messages": [{"role": "user", "content": content}]}


@pytest.fixture
def serve():
    servers = []

    def started(**options) -> Server:
        servers.append(Server(**options))
        return servers[-1]

    yield started
    for server in servers:
        server.process.kill()
        with suppress(BrokenPipeError), server.process:
            pass


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_end_finishes_its_streams_and_takes_nothing_new(serve, told):
    server = serve(MEDZOO_DRAIN_S=str(LIMIT_S))
    server.stream(20)
    assert server.client.get("/readyz").status_code == 200
    server.process.send_signal(told)
    server.until_it_says_that_it_ends()
    assert server.client.get("/healthz").status_code == 200
    refused = server.client.post("/v1/chat/completions", json=question("anything"))
    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "Stopped")
    assert server.process.poll() is None
    server.go_on()
    code, stderr = server.end()
    said = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in server.events[:-1]]
    assert server.events[-1] == "[DONE]"
    assert "".join(said) == "base: " + "word " * 20 + "8x8"
    assert code == 0
    assert f"ending when what is under way is done, or in {LIMIT_S} s" in stderr


def test_a_question_that_was_let_in_before_the_signal_is_answered_though_its_body_came_after(serve):
    server = serve(MEDZOO_DRAIN_S=str(LIMIT_S), MEDZOO_BODY_TIMEOUT_S=str(LIMIT_S))
    server.go_on()
    body = json.dumps(question("late")).encode()
    host, port = server.client.base_url.host, server.client.base_url.port
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((host, port), timeout=LIMIT_S) as asking:
        asking.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        heard = asking.makefile("rb")
        assert heard.readline() == b"HTTP/1.1 100 Continue\r\n"  # it is let in: somebody waits for the body
        server.process.terminate()
        server.until_it_says_that_it_ends()
        asking.sendall(body)
        assert b"base: late 8x8" in heard.read()
    assert server.process.wait(LIMIT_S) == 0


def test_that_it_ends_is_said_for_a_while_before_nobody_answers(monkeypatch):
    monkeypatch.setattr(run, "NOT_READY_S", float(LIMIT_S))
    closed, loop = threading.Event(), MovedLoop()
    service = SimpleNamespace(leave=lambda: None, drain=lambda timeout_s: True, close=closed.set)
    with run.listen("127.0.0.1", 0) as taken, running(loop):
        server = run._Server(uvicorn.Config(service), Settings(), taken, service, Inside())
        drained = asyncio.run_coroutine_threadsafe(server._drain(), loop)
        assert closed.wait(LIMIT_S)
        loop.forward(LIMIT_S / 2)
        assert not drained.done()
        loop.forward(LIMIT_S / 2)
        assert drained.result(LIMIT_S)


@contextmanager
def running(loop):
    """The loop in a thread of its own."""
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LIMIT_S)
        loop.close()


def test_what_is_not_done_in_time_is_cut_off_and_the_exit_status_says_so(serve):
    server = serve(MEDZOO_DRAIN_S="0")
    server.stream(350)
    server.process.terminate()
    server.until_it_says_that_it_ends()
    server.until(lambda: server.step() or len(server.events) > 350 or "error" in server.events[-1])
    assert json.loads(server.events[-1])["error"]["type"] == "Stopped"
    assert server.end()[0] == 1


def test_a_second_signal_ends_the_server_at_once(serve):
    server = serve(MEDZOO_DRAIN_S=str(LIMIT_S))
    server.stream(50)
    server.process.terminate()
    server.until_it_says_that_it_ends()
    assert server.process.poll() is None
    server.process.terminate()
    assert server.process.wait(LIMIT_S / 2) == -signal.SIGTERM
    server.end()
    assert server.events[-1] == "broken off"


def test_with_accounts_the_server_says_how_to_sign_in_and_this_machine_is_nobody_in_particular(
    serve, tmp_path
):
    desk = Desk(str(tmp_path / "ratings.db"))
    desk.accounts.add("ana", "rater", "four words are easy")
    desk.close()
    server = serve(MEDZOO_ANNOTATIONS=str(tmp_path / "ratings.db"))
    said = [server.process.stdout.readline().rstrip("\n") for _ in range(4)]
    assert said[0].startswith("ask:  curl -H 'Authorization: Bearer KEY' ")
    assert said[2:] == [
        "browsers sign in (medzoo accounts new NAME)",
        "no keys: programs are refused (medzoo keys new NAME)",
    ]
    assert server.client.get("/v1/models").status_code == 401
    form = {"name": "ana", "password": "four words are easy"}
    assert server.client.post("/sign-in", data=form).status_code == 303
    assert server.client.get("/v1/models").status_code == 200
    server.process.terminate()
    assert server.process.wait(LIMIT_S) == 0
