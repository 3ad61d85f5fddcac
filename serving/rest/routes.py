"""All REST routes of a service."""

from fastapi import APIRouter

from serving.pictures import Pictures
from serving.rest.adapter_routes import adapter_routes
from serving.rest.asking_routes import asking_routes
from serving.rest.health_routes import health_routes
from serving.rest.images import Remote
from serving.service import Service


def routes(service: Service, pictures: Pictures, *, remote: Remote | None = None) -> APIRouter:
    """The routes of one service; `remote` fetches images by their address, None where that is off."""
    router = APIRouter()
    router.include_router(asking_routes(service, pictures, remote))
    router.include_router(adapter_routes(service))
    router.include_router(health_routes(service))
    return router
