"""A real server on loopback over the service on fakes, and the clients that ask it."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
import uvicorn

from serving.app import build_app
from serving.metrics import Metrics
from serving.run import listen
from zoo.images import Limits


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Call it with a rig for the address of a server on it."""
    running = []

    def start(rig: Any) -> str:
        taken = listen("127.0.0.1", 0)
        app = build_app(rig.service, limits=Limits(max_bytes=50_000), page=False)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        running.append((server, thread, rig))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{taken.getsockname()[1]}"

    yield start
    for server, thread, rig in running:
        server.should_exit = True
        rig.model.gate.set()
        thread.join(20)


@pytest.fixture
def rig(make_rig: Any) -> Any:
    """A service on fakes whose metrics count what its engine does."""
    metrics = Metrics()
    rig = make_rig(watch=metrics)
    rig.service.metrics = rig.library._watch = metrics
    return rig


@pytest.fixture
def address(serve: Any, rig: Any) -> str:
    return serve(rig)


@pytest.fixture
def ask(address: str) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    http = httpx2.Client(trust_env=False, timeout=20)
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0, http_client=http) as client:
        yield client


@pytest.fixture
def about(png: bytes) -> Callable[..., list[dict[str, Any]]]:
    """Messages that ask something about an image."""
    url = "data:image/png;base64," + base64.b64encode(png).decode()

    def messages(text: str) -> list[dict[str, Any]]:
        image = {"type": "image_url", "image_url": {"url": url}}
        return [{"role": "user", "content": [{"type": "text", "text": text}, image]}]

    return messages
