"""An application of a few lines behind the defence, on a real server where the connection matters."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from zoo.errors import ImageTooLarge, NoKey, NotAllowed, TooSlow, ZooError

STATUSES = {NoKey: 401, NotAllowed: 403, ImageTooLarge: 413, TooSlow: 408}


def refuse(error: ZooError) -> JSONResponse:
    """What the tests' applications say of an error."""
    return JSONResponse({"error": error.message}, status_code=STATUSES.get(type(error), 429))


def behind() -> FastAPI:
    """An application that tells who was let in and how many bytes came."""
    app = FastAPI()

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.api_route("/{path:path}", methods=["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
    async def whoever(request: Request, path: str) -> dict[str, Any]:
        body = await request.body()
        state = request.state
        return {
            "client": getattr(state, "client", None),
            "role": getattr(state, "role", None),
            "bytes": len(body),
        }

    return app


@contextmanager
def on_a_port(app: Any, **options: Any) -> Iterator[int]:
    """The application on a real server of this process; its port."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield taken.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def serve() -> Callable[..., Any]:
    """`with serve(app, http=...) as port`."""
    return on_a_port


def error_of(reply: bytes) -> str:
    """The message in the body of a raw reply."""
    message: str = json.loads(reply.partition(b"\r\n\r\n")[2])["error"]
    return message
