"""An application of a few lines behind the defence."""

import json
import socket
from typing import Any

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


def error_of(reply: bytes) -> str:
    """The message in the body of a raw reply."""
    message: str = json.loads(reply.partition(b"\r\n\r\n")[2])["error"]
    return message


def everything(connection: socket.socket) -> bytes:
    """What is said on a bare connection until the other side closes."""
    said = b""
    while more := connection.recv(65536):
        said += more
    return said
