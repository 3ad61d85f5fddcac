"""The web server's process: take a port, serve the application on it, say when it is ready, end in order."""

import asyncio
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType

import click
import uvicorn

from serving.annotations.desk import Desk
from serving.annotations.people import People
from serving.app import build_app
from serving.defence.callers import Callers
from serving.defence.connections import Refusals, connections
from serving.defence.gate import Inside
from serving.defence.keys import KeyFile
from serving.defence.logs import set_up_logs
from serving.defence.pace import Pace, Quota
from serving.defence.proxies import Proxies, read_addresses
from serving.defence.remote import RemoteImages
from serving.defence.wall import Defence
from serving.rest.errors import refusal
from serving.service import Service
from serving.settings import Settings
from serving.shared import Shared
from zoo.errors import BadInput, Busy, TooSlow, ZooError
from zoo.notice import NOTICE

NOT_READY_S = 1.0
"""How long `/readyz` says at least that the server ends, before nobody answers at its port any more."""
HUB_PAGES = "https://huggingface.co"
LAST_WORDS_S = 3
"""How long replies may still be sent when the last answer is made, and pages be told that the server ends."""


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


def run(
    service: Service,
    settings: Settings,
    taken: socket.socket,
    *,
    page: bool = True,
    shared: Shared | None = None,
) -> bool:
    """Serve until SIGINT or SIGTERM, let what is under way come to its end, then end the engine.

    From the signal on no new question is taken and `/readyz` says so. A second signal ends the process at
    once. Gives False if something was still under way after `drain_s` seconds and was cut off.
    """
    set_up_logs(settings.log)
    desk = Desk(settings.annotations) if settings.annotations else None
    if desk is not None and shared is not None:
        desk.passwords.count_with(shared.tries)
    defence = _defence(settings, desk, shared)
    app = build_app(service, limits=settings.limits, page=page, defence=defence, desk=desk, hub=settings.hub)
    config = uvicorn.Config(
        app,
        http=connections(
            most=settings.max_connections,
            head_timeout_s=settings.head_timeout_s,
            refusals=_refusals(),
            proxies=defence.callers.proxies,
        ),
        ws="none",
        loop="asyncio",  # also where a package has brought another
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe what is said on the way in is the defence's to know
        timeout_graceful_shutdown=LAST_WORDS_S,
    )
    server = _Server(config, settings, taken, service, defence.inside)
    try:
        server.run(sockets=[taken])
    finally:
        service.close()
        service.watch.close()
        if desk is not None:
            desk.close()
        if shared is not None:
            shared.close()
    return server.drained


def _defence(settings: Settings, desk: Desk | None, shared: Shared | None) -> Defence:
    keys = KeyFile(settings.keys_file) if settings.keys_file else None
    shared_keys = shared.mirror if shared and not settings.public_demo else None
    quota = Quota(
        per_minute=settings.requests_per_minute, burst=settings.burst, at_once=settings.max_concurrent
    )
    remote = RemoteImages(max_bytes=settings.max_image_bytes, ports=settings.remote_ports)
    proxies = Proxies(
        addresses=read_addresses(settings.proxy_addresses),
        user_header=(settings.proxy_user_header or "").lower(),
    )
    people = People(desk.accounts) if desk else None
    # The Hub tells a Space by which name it is called, and shows it in a frame of its own page.
    space = [os.environ["SPACE_HOST"]] if settings.public_demo and os.environ.get("SPACE_HOST") else []
    return Defence(
        callers=Callers(
            keys=shared_keys or keys,
            hosts=(*settings.hosts, *space),
            people=people,
            proxies=proxies,
            public=settings.public_demo,
        ),
        pace=Pace(quota),
        others=shared,
        body_timeout_s=settings.body_timeout_s,
        max_list_bytes=settings.max_list_bytes,
        remote=remote if settings.remote_images else None,
        framed_by=HUB_PAGES if space else "",
    )


def _refusals() -> Refusals:
    def body(error: ZooError) -> bytes:
        return bytes(refusal(error).body)

    return Refusals(
        slow=body(TooSlow("the head of the request took too long to arrive")),
        crowded=body(Busy("too many connections are open")),
        unreadable=body(BadInput("this is no request of HTTP/1.1")),
    )


class _Server(uvicorn.Server):
    """Says where it is once requests are answered; ends in order."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        taken: socket.socket,
        service: Service,
        inside: Inside,
    ) -> None:
        super().__init__(config)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._address = f"http://{host}:{taken.getsockname()[1]}"
        self._settings = settings
        self._service = service
        self._inside = inside
        self._told_to_end = False
        self._draining: asyncio.Task[bool] | None = None
        self.drained = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo(f"ready at {self._address}")
            for line in self._how_to_ask():
                click.echo(line)

    def _how_to_ask(self) -> list[str]:
        names = ("base", *self._service.aliases)[: self._service.max_adapters]
        keys = self._settings.keyed
        people = self._settings.annotations is not None
        key = "-H 'Authorization: Bearer KEY' " if keys or people else ""
        said = [
            f"ask:  curl {key}-F image=@scan.png -F 'question=What is shown?' "
            f"-F adapters={','.join(names)} {self._address}/v1/compare",
            NOTICE,
        ]
        if people:
            said.append("browsers sign in (medzoo accounts new NAME)")
        if self._settings.public_demo:
            said.append("a public demo: whoever reaches this address may ask about drawn scans")
        elif not keys:
            said.append(
                "no keys: programs are refused (medzoo keys new NAME)"
                if people
                else "no keys: whoever is on this machine may ask, load and unload; others are refused "
                "(medzoo keys new NAME)"
            )
        return said

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal is a wish, the second an order."""
        if self._told_to_end:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        self._told_to_end = True

    async def on_tick(self, counter: int) -> bool:
        if self._told_to_end and self._draining is None:
            click.echo(f"ending when what is under way is done, or in {self._settings.drain_s:g} s", err=True)
            self._draining = asyncio.create_task(self._drain())
        if self._draining is not None and self._draining.done():
            self.drained = self._draining.result()
            self.should_exit = True
        return await super().on_tick(counter)

    async def _drain(self) -> bool:
        """Let nobody in, wait until all who are have reached the engine, and for the engine. It ends before
        the connections do, so that what is cut off is told by its own reply; in a thread of its own, as the
        loop's may all be busy."""
        self._service.leave()
        self._inside.closed = True
        loop = asyncio.get_running_loop()
        began, within_s = loop.time(), self._settings.drain_s
        while self._inside.count and loop.time() - began < within_s:
            await asyncio.sleep(0.02)
        all_came = not self._inside.count
        with ThreadPoolExecutor(1, thread_name_prefix="drain") as thread:
            left_s = max(0.0, within_s - (loop.time() - began))
            drained = await loop.run_in_executor(thread, partial(self._service.drain, timeout_s=left_s))
            await loop.run_in_executor(thread, self._service.close)
        await asyncio.sleep(NOT_READY_S - (loop.time() - began))
        return drained and all_came
