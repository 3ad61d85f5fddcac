"""Running the embedded Hub: in the foreground, or in a thread for tests and the demo. Loopback only."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from zoo.localhub.app import build_app
from zoo.localhub.errors import BadRequest

START_TIMEOUT_S = 30.0


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    lfs: bool = False,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve `root` until the process is told to end; `ready` gets the address once it answers.

    Raises:
        BadRequest: `host` is not this machine alone, or the port is taken.
        RootInUse: another server holds the folder.
    """
    listening = _listen(host, port)
    try:
        app = build_app(root, lfs=lfs)
        try:
            server = _Server(_config(app), lambda: ready(_url(listening)))
            server.run(sockets=[listening])
        finally:
            app.close()
    finally:
        listening.close()


@contextmanager
def serving(root: Path, *, port: int = 0, lfs: bool = False) -> Iterator[str]:
    """Serve `root` from a thread of this process and give the address; ends with the block."""
    listening = _listen("127.0.0.1", port)
    app = build_app(root, lfs=lfs)
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


def _listen(host: str, port: int) -> socket.socket:
    """A socket on this machine's loopback; port 0 takes a free one."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise BadRequest(
            f"the embedded Hub serves this machine alone, not {host!r}: any token may write everywhere on it",
            hint="leave --host out, or give 127.0.0.1 or ::1",
        )
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
