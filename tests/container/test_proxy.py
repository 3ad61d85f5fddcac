"""Caddy with the file that compose.yaml mounts, before a server of this process: what it passes on, when."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from serving.defence.origins import Originated
from serving.defence.proxies import Proxies, read_addresses
from tests._caddy import LIMIT_S, caddy, needs_caddy
from tests._ports import free_port
from tests.container._dockerfile import ROOT
from tests.serving._served import served

pytestmark = [pytest.mark.slow, needs_caddy]
PIECES = 3
READ = threading.Semaphore(0)
"""Pieces of the stream that the client has read."""


async def heard(request: Request) -> JSONResponse:
    """What the server makes of who asks, where it believes this machine's proxy."""
    proxies = Proxies(addresses=read_addresses(("127.0.0.1",)), user_header="x-remote-user")
    scope = request.scope
    return JSONResponse([proxies.user(scope), proxies.address(scope), proxies.secure(scope)])


async def stream(request: Request) -> StreamingResponse:
    async def pieces():
        for number in range(PIECES):
            yield f"data: {number}\n\n"
            if not await asyncio.to_thread(READ.acquire, timeout=LIMIT_S):
                return  # it is held back on the way

    return StreamingResponse(pieces(), media_type="text/event-stream")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Caddy, by its own certificate."""
    folder: Path = tmp_path_factory.mktemp("caddy")
    https, http, health = (free_port() for _ in range(3))
    text = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8").replace(":8081", f":{health}")
    text = text.replace(
        "admin off\n", f"admin off\nskip_install_trust\nhttp_port {http}\nhttps_port {https}\n"
    )
    routes = Starlette(routes=[Route("/heard", heard), Route("/stream", stream)])
    app = Originated(routes, Proxies(addresses=read_addresses(("127.0.0.1",))))
    with served(app) as server:
        address = f"https://localhost:{https}"
        with caddy(
            folder,
            text,
            answers=lambda: client().get(f"{address}/heard"),
            MEDZOO_NAME="localhost",
            MEDZOO_SERVER=server.removeprefix("http://"),
        ):
            yield address


def client() -> httpx.Client:
    unchecked = ssl.create_default_context()  # Caddy's own certificate, made a moment ago
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    return httpx.Client(verify=unchecked, trust_env=False, timeout=2 * LIMIT_S)


def test_whom_a_client_claims_to_be_and_where_is_not_passed_on(proxy: str) -> None:
    forged = {"X-Remote-User": "chief", "X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "http"}
    user, address, secure = client().get(f"{proxy}/heard", headers=forged).json()
    assert (user, secure) == ("", True)
    assert address in ("127.0.0.1", "::1")


def test_a_request_has_the_proxys_id_and_not_its_clients(proxy: str) -> None:
    forged = "0" * 32
    told = [client().get(f"{proxy}/heard", headers={"X-Request-ID": forged}).headers for _ in range(2)]
    ids = [one["x-request-id"] for one in told]
    assert forged not in ids
    assert ids[0] != ids[1]
    assert all(len(one) == 36 for one in ids)  # a UUID of the proxy's; one of the server's own has 16 digits


def test_a_streamed_answer_arrives_piece_by_piece(proxy: str) -> None:
    """The server sends a piece once the client has read the one before."""
    came = []
    with client().stream("GET", f"{proxy}/stream") as reply:
        for line in filter(None, reply.iter_lines()):
            came.append(line)
            READ.release()
    assert came == [f"data: {number}" for number in range(PIECES)]
