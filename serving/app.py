"""The web application: REST routes and the page, over one service."""

from fastapi import FastAPI

from serving.rest.errors import add_error_replies
from serving.rest.routes import routes
from serving.service import Service
from zoo.images import Limits
from zoo.notice import NOTICE


def build_app(service: Service, *, limits: Limits | None = None, page: bool = True) -> FastAPI:
    """REST under `/v1`, health beside it, the page at `/` unless `page` is False.

    The usual `/docs` page is left out: it loads its scripts from the internet. `/openapi.json` stays.
    """
    limits = limits or Limits()
    app = FastAPI(title="MedVLM Zoo", version="1", description=NOTICE, docs_url=None, redoc_url=None)
    add_error_replies(app)
    app.include_router(routes(service, limits))
    if page:
        from serving.ui.mount import mount_page

        mount_page(app, service, limits)
    return app
