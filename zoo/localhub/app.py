"""The embedded Hub as an ASGI app: its routes, and what stands before them."""

import secrets
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from zoo.localhub.errors import HubRefusal
from zoo.localhub.http import refusal
from zoo.localhub.routes import collections, files, repos, trees, uploads
from zoo.localhub.store import Store

_LOCAL_NAMES = {"127.0.0.1", "localhost", "[::1]"}


def build_app(root: Path, *, lfs: bool = False) -> "LocalHub":
    """The app over the folder `root`; `close()` it to let go of the folder.

    With `lfs` the files that are kept outside git are asked for by LFS instead of within the commit.
    Only clients with HF_HUB_DISABLE_XET=1 can do that, so it is off by default.

    Raises:
        RootInUse: another server holds the folder.
    """
    store = Store(root)
    routes: list[Route] = [
        *repos.ROUTES,
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
    inner.state.seal_key = secrets.token_bytes(32)
    return LocalHub(inner, store)


class LocalHub:
    """Hands requests on with their path still percent-encoded, if they are meant for this machine.

    A page of another site may point its own name at 127.0.0.1; the name in `Host` tells it apart.
    """

    def __init__(self, inner: ASGIApp, store: Store) -> None:
        self._inner = inner
        self.store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            host = next((value for key, value in scope["headers"] if key == b"host"), b"").decode("latin-1")
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            if name.lower() not in _LOCAL_NAMES:
                answer = PlainTextResponse("this Hub answers to 127.0.0.1 and localhost alone", 400)
                await answer(scope, receive, send)
                return
            raw: bytes = scope.get("raw_path") or scope["path"].encode()
            scope = {**scope, "path": raw.partition(b"?")[0].decode("latin-1")}
        await self._inner(scope, receive, send)

    def close(self) -> None:
        """Let go of the root folder."""
        self.store.close()


def _no_such_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = f"this Hub has nothing at {request.method} {request.scope['path'][:200]}"
    return JSONResponse({"error": reason}, error.status_code, error.headers)
