"""Errors -> HTTP replies: a status for each kind of `ZooError`, one form for all, nothing of the inside."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serving.rest.replies import ErrorReply, Fault
from zoo import errors

log = logging.getLogger(__name__)

# The first that fits counts: an error stands before the ones it is a kind of.
STATUSES: tuple[tuple[type[errors.ZooError], int], ...] = (
    (errors.ImageTooLarge, 413),
    (errors.BadImage, 400),
    (errors.UnknownName, 404),
    (errors.BadInput, 422),
    (errors.NotOnHub, 404),
    (errors.HubUnreachable, 503),
    (errors.HubError, 502),
    (errors.WrongBase, 409),
    (errors.BadAdapter, 422),
    (errors.Busy, 503),
)


def status_of(error: errors.ZooError) -> int:
    """The HTTP status for an error; 500 for one that no caller can do anything about."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def add_error_replies(app: FastAPI) -> None:
    """Turn every error of the `/v1` and health routes into an `ErrorReply`."""
    app.add_exception_handler(errors.ZooError, _zoo_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _internal_error)


async def _zoo_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.ZooError)
    status = status_of(error)
    headers = {"Retry-After": "5"} if status == 503 else {}
    return JSONResponse(ErrorReply.of(error).model_dump(), status_code=status, headers=headers)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    fault = Fault(
        type="HttpError", message=str(error.detail), hint="see /openapi.json for what this server takes"
    )
    reply = ErrorReply(error=fault)
    return JSONResponse(reply.model_dump(), status_code=error.status_code, headers=error.headers)


async def _internal_error(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s: %s", request.method, request.url.path, type(error).__name__)
    fault = Fault(type="InternalError", message="the server failed on this request", hint="ask the operator")
    return JSONResponse(ErrorReply(error=fault).model_dump(), status_code=500)
