"""An application of a few lines behind the defence, and the real one where people sign in."""

import json
import shutil
import socket
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException

from serving.annotations import accounts as module
from serving.annotations.desk import Desk
from serving.annotations.people import People
from serving.app import build_app
from serving.defence.callers import Callers
from serving.defence.keys import KeyFile, add_key, new_key
from serving.defence.pace import Pace, Quota
from serving.defence.wall import Defence
from tests.serving.defence._people import AWAY, PASSWORDS, URL
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


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A database with a rater and an administrator, whose passwords are looked at in a moment."""
    path = tmp_path_factory.mktemp("prepared") / "ratings.db"
    with pytest.MonkeyPatch.context() as patch:
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(module, "_HASHER", hasher)
        patch.setattr(module, "_NOBODY", hasher.hash("nobody"))
        desk = Desk(str(path))
        desk.accounts.add("ana", "rater", PASSWORDS["ana"])
        desk.accounts.add("chief", "administrator", PASSWORDS["chief"])
        desk.close()
        yield path


@pytest.fixture
def desk(prepared, tmp_path):
    """A desk of its own for each test."""
    desk = Desk(str(shutil.copy(prepared, tmp_path / "ratings.db")))
    yield desk
    desk.close()


@pytest.fixture
def token(tmp_path):
    """A key of the role admin, in the file of keys."""
    token, key = new_key("program", "admin")
    add_key(tmp_path / "keys", key)
    return token


@pytest.fixture
def app_of(rig, desk, tmp_path):
    """Call it for the application behind its defence."""

    def make(*, keys=False, page=False, hosts=(), proxies=None, quota=None, **defence):
        callers = Callers(
            keys=KeyFile(tmp_path / "keys") if keys else None,
            hosts=hosts,
            people=People(desk.accounts),
            proxies=proxies,
        )
        pace = Pace(quota or Quota(per_minute=6000, burst=6000, at_once=50))
        return build_app(
            rig.service, page=page, desk=desk, defence=Defence(callers=callers, pace=pace, **defence)
        )

    return make


@pytest.fixture
def client_of(app_of):
    """Call it for a browser's client, by default on another machine of the ward."""

    def make(*, address=AWAY, url=URL, **options):
        return TestClient(app_of(**options), client=address, base_url=url, follow_redirects=False)

    return make


@pytest.fixture
def client(client_of):
    return client_of()
