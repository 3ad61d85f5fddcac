"""The web application: REST routes and the page, over one service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from serving.annotations.desk import Desk
from serving.defence.headers import SafeHeaders
from serving.defence.logs import RequestLog
from serving.defence.origins import NO_TELEMETRY, Originated
from serving.defence.proxies import Proxies
from serving.defence.wall import Defence, put_around
from serving.pictures import Pictures
from serving.preparing import Preparing
from serving.rest.errors import add_error_replies, refusal
from serving.rest.measuring import Measured
from serving.rest.routes import add_routes
from serving.service import Service
from zoo.images import Limits
from zoo.notice import NOTICE


def build_app(
    service: Service,
    *,
    limits: Limits | None = None,
    page: bool = True,
    defence: Defence | None = None,
    desk: Desk | None = None,
    hub: str | None = None,
) -> FastAPI:
    """REST under `/v1`, health beside it, the pages at `/` unless `page` is False; ratings where
    there is a `desk`, published to the Hub at `hub` (None: HF_ENDPOINT).

    Without a `defence` whoever mounts or wraps the application decides who may ask it what.
    The usual `/docs` page is left out: it loads its scripts from the internet. `/openapi.json` stays.
    """
    limits = limits or Limits()
    pictures = Pictures(limits)
    preparing = Preparing(service, desk, limits=limits) if desk else None

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        """The answers of work lists are made while the application is served."""
        if preparing:
            preparing.start()
        yield
        if preparing:
            await run_in_threadpool(preparing.close)

    app = FastAPI(
        title="MedVLM Zoo",
        version="1",
        description=NOTICE,
        docs_url=None,
        redoc_url=None,
        lifespan=running,
        telemetry=NO_TELEMETRY,
    )
    bounds = {"max_list_bytes": defence.max_list_bytes} if defence else {}
    remote = defence.remote if defence else None
    add_routes(app, service, pictures, remote=remote, preparing=preparing, hub=hub, **bounds)
    if desk:
        from serving.ui.password import password_routes
        from serving.ui.sign_in import sign_in_routes

        app.include_router(sign_in_routes(desk))
        app.include_router(password_routes(desk))
    if page:
        from serving.ui.mount import mount_pages

        mount_pages(
            app,
            service,
            pictures,
            desk=desk,
            public=bool(defence and defence.callers.public),
            framed_by=defence.framed_by if defence else "",
        )
    if defence:
        put_around(app, defence, max_body=limits.body_bytes(service.base.max_images), refuse=refusal)
    add_error_replies(app)  # around all that can fail
    app.add_middleware(SafeHeaders)
    app.add_middleware(RequestLog)
    app.add_middleware(Measured, watch=service.watch)
    app.add_middleware(Originated, proxies=defence.callers.proxies if defence else Proxies())
    return app
