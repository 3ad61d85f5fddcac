"""All REST routes of a service."""

from fastapi import FastAPI

from serving.pictures import Pictures
from serving.preparing import Preparing
from serving.rest.adapter_routes import adapter_routes
from serving.rest.annotation_list_routes import annotation_list_routes
from serving.rest.annotation_password_route import annotation_password_route
from serving.rest.annotation_pictures import Opened
from serving.rest.annotation_routes import annotation_routes
from serving.rest.asking_routes import asking_routes
from serving.rest.documents import add_key
from serving.rest.elsewhere import Elsewhere
from serving.rest.export_routes import export_routes
from serving.rest.health_routes import health_routes
from serving.rest.images import Remote
from serving.rest.results_routes import results_routes
from serving.service import Service


def add_routes(
    app: FastAPI,
    service: Service,
    pictures: Pictures,
    *,
    remote: Remote | None = None,
    preparing: Preparing | None = None,
    max_list_bytes: int = 512 * 1024**2,
    hub: str | None = None,
) -> None:
    """Put the routes of one service into an application; `remote` fetches images by their address, None where
    that is off; those of work lists and ratings where somebody is `preparing` a desk's lists; they
    publish to `hub`."""
    routers = [asking_routes(service, pictures, remote), adapter_routes(service), health_routes(service)]
    if preparing is not None:
        desk, limits = preparing.desk, pictures.limits
        opened = Opened(limits)
        routers += [
            annotation_routes(desk, opened),
            annotation_password_route(desk),
            annotation_list_routes(preparing, opened, service, limits=limits, max_bytes=max_list_bytes),
            results_routes(desk),
            export_routes(desk, hub=hub),
        ]
    for router in routers:
        app.include_router(router)
    add_key(app)
    app.router.routes.append(Elsewhere([route for router in routers for route in router.routes]))
