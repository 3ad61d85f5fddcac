"""The routes for what watches over the server: whether it lives, whether it serves, and what it counts."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from serving.rest.answers import Reply
from serving.rest.documents import error_replies
from serving.rest.samples import METRICS
from serving.service import Service

_ALWAYS = error_replies()
TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""


class HealthReply(Reply):
    """Whether the process lives, or would take a question on."""

    status: str = Field(examples=["ok"])


def health_routes(service: Service) -> APIRouter:
    """The routes of one service."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses=_ALWAYS)
    async def healthz() -> HealthReply:
        """The process lives."""
        return HealthReply(status="ok")

    @router.get("/readyz", response_model=HealthReply, responses={**_ALWAYS, 503: {"model": HealthReply}})
    async def readyz() -> JSONResponse:
        """A question would be taken on."""
        ready = service.ready
        reply = HealthReply(status="ready" if ready else "stopped")
        return JSONResponse(reply.model_dump(), status_code=200 if ready else 503)

    @router.get("/metrics", response_class=Response, responses={**_ALWAYS, 200: {"content": METRICS}})
    async def metrics() -> Response:
        """What Prometheus reads: the queue, batches, tokens, loads, evictions, failures, requests. Where
        there are keys it takes one, of any role, unlike the two that ask after the server's health."""
        return Response(service.metrics.text(), media_type=TEXT)

    return router
