"""The web server's process: take a port, serve the application on it, say when it is ready."""

import socket

import click
import uvicorn

from serving.app import build_app
from serving.service import Service
from serving.settings import Settings
from zoo.errors import BadInput
from zoo.images import Limits
from zoo.notice import NOTICE


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0 takes a free one.

    Raises:
        BadInput: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise BadInput(
            f"{host}:{port} cannot be listened on: {error.strerror or error}", hint="take another --port"
        ) from error
    return taken


def run(service: Service, settings: Settings, taken: socket.socket, *, page: bool = True) -> None:
    """Serve until SIGINT or SIGTERM, then end the engine."""
    limits = Limits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels)
    app = build_app(service, limits=limits, page=page)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    port = taken.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server = _Server(config, f"http://{host}:{port}", service)
    try:
        server.run(sockets=[taken])
    finally:
        service.close()


class _Server(uvicorn.Server):
    """Says where it is once requests are answered."""

    def __init__(self, config: uvicorn.Config, address: str, service: Service) -> None:
        super().__init__(config)
        self._address = address
        self._names = ("base", *service.aliases)[: service.max_adapters]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo(f"ready at {self._address}")
            click.echo(
                f"ask:  curl -F image=@scan.png -F 'question=What is shown?' "
                f"-F adapters={','.join(self._names)} {self._address}/v1/compare"
            )
            click.echo(NOTICE)
