"""The embedded Hub as an ASGI app: its routes behind its front."""

import secrets
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.localhub.errors import HubRefusal
from zoo.localhub.front import Front, LocalHub
from zoo.localhub.http import refusal
from zoo.localhub.routes import collections, files, gate, repos, trees, uploads
from zoo.localhub.store import Store


def build_app(root: Path, *, lfs: bool = False, front: Front | None = None) -> LocalHub:
    """The app over the folder `root`; `close()` it to let go of the folder.

    With `lfs` the files that are kept outside git are asked for by LFS instead of within the commit.
    Only clients with HF_HUB_DISABLE_XET=1 can do that, so it is off by default.

    Raises:
        RootInUse: another server holds the folder.
        BadRequest, BadInput: `front` cannot be meant so, or names a file that cannot be used.
    """
    front = front or Front()
    front.names()
    store = Store(root)
    routes: list[Route] = [
        *repos.ROUTES,
        *gate.ROUTES,
        *collections.ROUTES,
        *trees.ROUTES,
        *uploads.ROUTES,
        *files.ROUTES,
        *repos.LAST_ROUTES,
    ]
    inner = Starlette(
        routes=routes, exception_handlers={HubRefusal: refusal, HTTPException: _no_such_address}
    )
    inner.router.redirect_slashes = False
    inner.state.store = store
    inner.state.lfs = lfs
    inner.state.open = front.tokens is None
    inner.state.public_url = front.public_url
    inner.state.seal_key = secrets.token_bytes(32)
    try:
        hub = LocalHub(inner, store, front)
    except BaseException:
        store.close()
        raise
    inner.state.hub = hub
    return hub


def _no_such_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = f"this Hub has nothing at {request.method} {request.scope['path'][:200]}"
    return JSONResponse({"error": reason}, error.status_code, error.headers)
