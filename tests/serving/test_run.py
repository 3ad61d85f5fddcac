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
from pathlib import Path

import httpx
import pytest
from PIL import Image

from serving.annotations.desk import Desk

ROOT = Path(__file__).parents[2]


class Server:
    """A server on fakes in a process of its own."""

    def __init__(self, *, step_s: float, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.serving.fake_server", str(step_s)],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        ready = self.process.stdout.readline()
        assert ready.startswith("ready at "), self.process.stderr.read()
        self.client = httpx.Client(base_url=ready.split()[-1], trust_env=False, timeout=30)
        self.events: list[str] = []

    def stream(self, words: int) -> None:
        """Ask for an answer of so many words, from a thread of its own, and wait for its first one."""
        self._thread = threading.Thread(target=self._read, args=(words,))
        self._thread.start()
        while not any('"content"' in event for event in self.events):
            time.sleep(0.01)

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
        self._thread.join(30)
        _, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stderr


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
        server.process.communicate()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_end_finishes_its_streams_and_takes_nothing_new(serve, told):
    server = serve(step_s=0.1)
    server.stream(20)
    assert server.client.get("/readyz").status_code == 200
    server.process.send_signal(told)
    time.sleep(0.3)
    assert server.client.get("/readyz").status_code == 503
    assert server.client.get("/healthz").status_code == 200
    refused = server.client.post("/v1/chat/completions", json=question("anything"))
    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "Stopped")
    assert server.process.poll() is None
    code, stderr = server.end()
    said = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in server.events[:-1]]
    assert server.events[-1] == "[DONE]"
    assert "".join(said) == "base: " + "word " * 20 + "8x8"
    assert code == 0
    assert "ending when what is under way is done, or in 25 s" in stderr


def test_a_question_that_was_let_in_before_the_signal_is_answered_though_its_body_came_after(serve):
    server = serve(step_s=0.01)
    body = json.dumps(question("late")).encode()
    host, port = server.client.base_url.host, server.client.base_url.port
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, port), timeout=10) as asking:
        asking.sendall(head.encode() + body[:50])
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.5)
        assert server.client.get("/readyz").status_code == 503
        asking.sendall(body[50:])
        assert "base: late 8x8" in asking.makefile().read()
    assert server.process.wait(10) == 0


def test_that_it_ends_is_said_for_a_while_before_nobody_answers(serve):
    server = serve(step_s=0.01)
    server.process.terminate()
    time.sleep(0.5)
    assert server.client.get("/readyz").status_code == 503
    assert server.process.wait(10) == 0


def test_what_is_not_done_in_time_is_cut_off_and_the_exit_status_says_so(serve):
    server = serve(step_s=0.1, MEDZOO_DRAIN_S="0.5")
    server.stream(50)
    began = time.monotonic()
    server.process.terminate()
    code, _ = server.end()
    assert time.monotonic() - began < 6
    assert code == 1
    assert json.loads(server.events[-1])["error"]["type"] == "Stopped"


def test_a_second_signal_ends_the_server_at_once(serve):
    server = serve(step_s=0.1)
    server.stream(50)
    server.process.terminate()
    time.sleep(0.3)
    assert server.process.poll() is None
    server.process.terminate()
    assert server.process.wait(2) == -signal.SIGTERM
    server.end()
    assert server.events[-1] == "broken off"


def test_with_accounts_the_server_says_how_to_sign_in_and_this_machine_is_nobody_in_particular(
    serve, tmp_path
):
    desk = Desk(str(tmp_path / "ratings.db"))
    desk.accounts.add("ana", "rater", "four words are easy")
    desk.close()
    server = serve(step_s=0.01, MEDZOO_ANNOTATIONS=str(tmp_path / "ratings.db"))
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
    assert server.process.wait(10) == 0
