"""The REST routes: compare, adapters, health. Bytes in, the service's words out; decides nothing."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from serving.core.requests import Comparison
from serving.rest.bodies import Asked, CompareBody, read_comparison
from serving.rest.replies import AdapterReply, AdaptersReply, CompareReply, ErrorReply, HealthReply
from serving.service import Service
from zoo.images import Limits, decode

_FORM = {
    "type": "object",
    "required": ["image", "question", "adapters"],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "format": "binary", "description": "PNG, JPEG or DICOM."},
        "question": {"type": "string", "example": "On which side is the nodule?"},
        "adapters": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Aliases, repo, repo@revision, or base; repeated, or separated by commas.",
            "example": ["base", "mdpo"],
        },
    },
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "A broken image."},
    404: {"model": ErrorReply, "description": "No such adapter."},
    409: {"model": ErrorReply, "description": "An adapter of another base."},
    413: {"model": ErrorReply, "description": "An image beyond the limits."},
    422: {"model": ErrorReply, "description": "A request, or an adapter, that cannot be used."},
    503: {"model": ErrorReply, "description": "Busy, or the Hub does not answer; try again."},
}


def routes(service: Service, limits: Limits) -> APIRouter:
    """The routes of one service."""
    router = APIRouter()

    @router.post(
        "/v1/compare",
        response_model=CompareReply,
        responses=_ERRORS,
        tags=["compare"],
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {"schema": _FORM},
                    "application/json": {"schema": CompareBody.model_json_schema()},
                },
            }
        },
    )
    async def compare(request: Request) -> CompareReply:
        """Put one question about an image to several adapters at once.

        The answers come in the order asked, each with the commit and the weight digest that gave it.
        """
        asked = await read_comparison(request, limits=limits, max_images=service.base.max_images)
        return CompareReply.of(await run_in_threadpool(_compare, service, limits, asked))

    @router.get("/v1/adapters", response_model=AdaptersReply, tags=["adapters"])
    def adapters() -> AdaptersReply:
        """The base, and every adapter that has an alias here, with its state and scores."""
        listed = [AdapterReply.of(one) for one in service.adapters()]
        return AdaptersReply(base=service.base.pinned, adapters=listed)

    @router.get("/healthz", response_model=HealthReply, tags=["health"])
    def healthz() -> HealthReply:
        """The process lives."""
        return HealthReply(status="ok")

    @router.get(
        "/readyz", response_model=HealthReply, responses={503: {"model": HealthReply}}, tags=["health"]
    )
    def readyz() -> JSONResponse:
        """A question would be taken on."""
        ready = service.ready
        reply = HealthReply(status="ready" if ready else "stopped")
        return JSONResponse(reply.model_dump(), status_code=200 if ready else 503)

    return router


def _compare(service: Service, limits: Limits, asked: Asked) -> Comparison:
    images = [decode(data, limits=limits) for data in asked.images]
    return service.compare(images, asked.question, asked.adapters)
