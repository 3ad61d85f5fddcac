"""A real server on loopback over the service on fakes, and the clients that ask it."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from serving.annotations.desk import Desk
from serving.app import build_app
from serving.metrics import Metrics
from tests.serving._served import served
from tests.serving.rest._rating import open_desk
from zoo.images import Limits


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Call it with a rig for the address of a server on it."""
    with ExitStack() as running:

        def start(rig: Any) -> str:
            app = build_app(rig.service, limits=Limits(max_bytes=50_000), page=False)
            return running.enter_context(served(app, at_end=rig.model.gate.set, timeout_graceful_shutdown=2))

        yield start


@pytest.fixture
def rig(make_rig: Any) -> Any:
    """A service on fakes whose metrics count what its engine does."""
    metrics = Metrics()
    rig = make_rig(watch=metrics)
    rig.service.metrics = rig.service.watch = rig.library._watch = metrics
    return rig


@pytest.fixture
def address(serve: Any, rig: Any) -> str:
    return serve(rig)


@pytest.fixture
def ask(address: str) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    http = httpx2.Client(trust_env=False, timeout=60)
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


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Accounts and an empty database."""
    desk = open_desk(tmp_path / "ratings.db")
    yield desk
    desk.close()


@pytest.fixture
def app(rig: Any, desk: Desk) -> Any:
    """The application on fakes with the desk, not served."""
    return build_app(rig.service, page=False, desk=desk)
