"""Running the embedded Hub: in the foreground, or in a thread for tests and the demo.

Without a file of tokens it listens on this machine's loopback alone.
"""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn

from zoo.localhub.app import build_app
from zoo.localhub.errors import BadRequest
from zoo.localhub.front import Front

START_TIMEOUT_S = 30.0


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    lfs: bool = False,
    front: Front | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve `root` until the process is told to end; `ready` gets the address once it answers.

    Raises:
        BadRequest: `host` is not this machine alone and there are no tokens, or the port is taken.
        RootInUse: another server holds the folder.
        BadInput: the file of tokens or the audit log cannot be used.
    """
    front = _named(front or Front(), host)
    listening = _listen(host, port)
    try:
        app = build_app(root, lfs=lfs, front=front)
        try:
            server = _Server(_config(app), lambda: ready(_url(listening)))
            server.run(sockets=[listening])
        finally:
            app.close()
    finally:
        listening.close()


@contextmanager
def serving(root: Path, *, port: int = 0, lfs: bool = False, front: Front | None = None) -> Iterator[str]:
    """Serve `root` from a thread of this process and give the address; ends with the block."""
    listening = _listen("127.0.0.1", port)
    try:
        app = build_app(root, lfs=lfs, front=front)
    except BaseException:
        listening.close()
        raise
    started = threading.Event()
    server = _Server(_config(app), started.set)
    server.handles_signals = False
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="localhub", daemon=True
    )
    thread.start()
    try:
        if not started.wait(START_TIMEOUT_S):
            raise RuntimeError(f"the embedded Hub did not start within {START_TIMEOUT_S} s")
        yield _url(listening)
    finally:
        server.should_exit = True
        thread.join(START_TIMEOUT_S)
        listening.close()
        app.close()


class _Server(uvicorn.Server):
    handles_signals = True

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        await asyncio.to_thread(self._on_start)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if self.handles_signals:
            with super().capture_signals():
                yield
        else:
            yield


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


def _named(front: Front, host: str) -> Front:
    """`front`, if it may be served at `host`; an address that is one machine's is a name it answers to."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise BadRequest(f"{host!r} is no address of this machine", hint="--host 0.0.0.0 takes all") from None
    if address.is_loopback:
        return front
    if front.tokens is None:
        raise BadRequest(
            f"without tokens the embedded Hub serves this machine alone, not {host!r}: anybody may write",
            hint="medzoo hub token new NAME --role admin --file FILE, then serve with --tokens FILE",
        )
    if not address.is_unspecified:
        return replace(front, hosts=(*front.hosts, f"[{host}]" if ":" in host else host))
    if not (front.public_url or front.hosts):
        raise BadRequest(
            "by which name will others reach it?", hint="say --public-url https://NAME, or --hosts NAME"
        )
    return front


def _listen(host: str, port: int) -> socket.socket:
    """A listening place; port 0 takes a free one."""
    address = "127.0.0.1" if host == "localhost" else host
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((address, port))
    except OSError as error:
        found.close()
        raise BadRequest(
            f"port {port} of {host} cannot be had: {error}", hint="--port 0 takes a free one"
        ) from error
    return found


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
