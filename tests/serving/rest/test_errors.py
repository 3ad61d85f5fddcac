import signal
import subprocess
import sys

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from serving.rest.errors import add_error_replies

QUESTION = "Has Jane Doe a nodule?"
SERVER = """
from types import SimpleNamespace

from serving.metrics import Metrics
from serving.run import listen, run
from serving.settings import read_settings

async def fail(asked, on_piece=None, *, opening):
    try:
        raise KeyError("SECRET " + asked.turns[-1].text)
    except KeyError as error:
        raise ValueError("SECRET " + asked.turns[-1].text) from error

service = SimpleNamespace(
    base=SimpleNamespace(max_images=1),
    aliases=(),
    max_adapters=8,
    max_new_tokens=8,
    watch=Metrics(),
    begin=fail,
    leave=lambda: None,
    drain=lambda timeout_s: True,
    close=lambda: None,
)
settings = read_settings(port=0)
run(service, settings, listen("127.0.0.1", 0), page=False)
"""


@pytest.fixture
def server():
    """A real server in a process of its own whose service fails on every question."""
    process = subprocess.Popen(
        [sys.executable, "-uc", SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_a_question_that_breaks_the_server_is_told_to_no_one_and_logged_nowhere(server, png):
    ready = server.stdout.readline()
    assert ready.startswith("ready at "), server.stderr.read()
    address = ready.split()[-1]
    with httpx.Client(trust_env=False, timeout=120) as client:
        reply = client.post(
            f"{address}/v1/compare", files={"image": png}, data={"question": QUESTION, "adapters": "base"}
        )
        again = client.get(f"{address}/healthz")
    server.send_signal(signal.SIGINT)
    stdout, stderr = server.communicate(timeout=120)
    assert (reply.status_code, again.status_code) == (500, 200)
    assert reply.json() == {
        "error": {
            "type": "InternalError",
            "message": "the server failed on this request",
            "param": None,
            "code": None,
            "hint": "ask the operator",
        }
    }
    for word in ("SECRET", "Jane", "nodule"):
        assert word not in stdout + stderr
    assert "POST /v1/compare: ValueError at <string>:" in stderr


@pytest.fixture
def client():
    app = FastAPI()
    add_error_replies(app)

    @app.get("/late")
    def late():
        def body():
            yield b"begun"
            raise ValueError("SECRET")

        return StreamingResponse(body())

    @app.get("/{name}")
    def fail(name: str):
        raise ValueError("SECRET")

    with TestClient(app) as client:
        yield client


def test_what_a_user_typed_into_a_path_is_not_logged(client, caplog):
    assert client.get("/a%0Aforged").status_code == 500
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith("GET /{name}: ValueError at ")
    assert "forged" not in message
    assert f"{__file__}:" in message
    assert "\n" not in message
    assert record.exc_info is None


def test_a_reply_that_had_begun_breaks_off_with_its_fault_in_the_log_alone(client, caplog):
    assert client.get("/late").text == "begun"
    assert "ValueError at " in caplog.text
    assert "SECRET" not in caplog.text
