"""A Hub that misbehaves: a proxy before a good one that is silent for long, cuts bodies short, answers 500.

It knows HTTP and nothing of Hubs. Which request meets which fault is drawn from a seed; `share` says how many
do and may be changed at any time.
"""

import asyncio
import random
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

FAULTS = ("slow", "cut", "500")


@dataclass
class Faults:
    """What goes wrong, and how often it did."""

    seed: int = 0
    share: float = 0.0
    """Of the requests that meet a fault."""
    silence_s: float = 4.0
    """How long a slow one gives no answer; longer than a client waits."""
    kinds: tuple[str, ...] = FAULTS
    done: Counter[str] = field(default_factory=Counter)
    """Requests by the fault that they met; `none` for those that met none."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def draw(self) -> str:
        """The next request's fault."""
        found = self._dice.choice(self.kinds) if self._dice.random() < self.share else "none"
        self.done[found] += 1
        return found


@contextmanager
def misbehaving(hub: str, faults: Faults) -> Iterator[str]:
    """Serve the Hub at `hub` with these faults from a thread of this process; give the address."""

    async def forward(request: Request) -> Response:
        fault = faults.draw()
        if fault == "slow":
            await asyncio.sleep(faults.silence_s)
        if fault == "500":
            return Response("the Hub has failed on purpose", status_code=500)
        url = f"{hub}{request.url.path}" + (f"?{request.url.query}" if request.url.query else "")
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            headers = [(k, v) for k, v in request.headers.raw if k.lower() != b"accept-encoding"]
            got = await client.request(request.method, url, headers=headers, content=await request.body())
        kept = {k: v for k, v in got.headers.items() if k not in ("transfer-encoding", "connection", "date")}
        if request.method == "HEAD":
            return Response(status_code=got.status_code, headers=kept)
        body = _cut(got.content) if fault == "cut" and len(got.content) > 1 else _whole(got.content)
        return StreamingResponse(
            body, status_code=got.status_code, headers=kept | {"content-length": str(len(got.content))}
        )

    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "HEAD", "POST", "PUT", "DELETE"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([taken],), name="misbehaving Hub", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        taken.close()


class _Cut(Exception):
    """Ends the connection in the middle of a body."""


async def _cut(content: bytes) -> AsyncIterator[bytes]:
    yield content[: len(content) // 2]
    raise _Cut


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
