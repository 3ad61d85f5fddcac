"""A real server in a thread whose clock the test moves, and what its connections have seen so far."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn

from serving.defence.connections import Refusals, connections
from serving.defence.proxies import Proxies
from tests.serving._clocks import MovedLoop

LIMIT_S = 60
"""How long anything may take on this machine's clock before a test that hangs ends."""
REFUSALS = Refusals(
    slow=b'{"error": "slow"}', crowded=b'{"error": "crowded"}', unreadable=b'{"error": "unreadable"}'
)


class Watched:
    """A server, and clients on bare connections."""

    def __init__(self, loop: MovedLoop, port: int) -> None:
        self.port = port
        self.later = loop.forward
        self.made = self.lost = self.heard = self.paused = self.resumed = 0
        """Connections, bytes, and times that replies piled up or went on."""
        self._clients = ExitStack()

    def connect(self, sent: bytes = b"", *, receives: int | None = None) -> socket.socket:
        """A connection on which so much was said, and that has so small a buffer for what it is told."""
        client = self._clients.enter_context(socket.socket())
        client.settimeout(LIMIT_S)
        if receives is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        client.connect(("127.0.0.1", self.port))
        client.sendall(sent)
        return client

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for the server."""
        ends = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < ends, f"it never came to hold: {vars(self)}"
            time.sleep(0.002)

    def hears(self, client: socket.socket, sent: bytes) -> None:
        """Say more on a connection, and wait until the server has it."""
        heard = self.heard + len(sent)
        client.sendall(sent)
        self.until(lambda: self.heard == heard)

    def close(self) -> None:
        self._clients.close()


@contextmanager
def watched(
    app: Any,
    *,
    most: int = 6,
    head_timeout_s: float = LIMIT_S,
    proxies: Proxies | None = None,
    **options: Any,
) -> Iterator[Watched]:
    """The application on a real server of this process, behind the connections under test."""
    protocol: Any = connections(most=most, head_timeout_s=head_timeout_s, refusals=REFUSALS, proxies=proxies)

    class Noting(protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            seen.made += 1

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            seen.heard += len(data)

        def pause_writing(self) -> None:
            super().pause_writing()
            seen.paused += 1

        def resume_writing(self) -> None:
            super().resume_writing()
            seen.resumed += 1

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            seen.lost += 1

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=Noting, log_config=None, timeout_graceful_shutdown=1, **options)
        server, loop = uvicorn.Server(config), MovedLoop()
        seen = Watched(loop, taken.getsockname()[1])

        def serve() -> None:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(server.serve(sockets=[taken]))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            seen.until(lambda: server.started)
            yield seen
        finally:
            seen.close()
            server.should_exit = True
            thread.join(LIMIT_S)
