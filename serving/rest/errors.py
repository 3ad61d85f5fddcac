"""Errors -> HTTP replies: a status for each kind of `ZooError`, one form for all, nothing of the inside.

An error that nobody foresaw may quote the question, so its message goes nowhere: neither to the caller
nor, by way of the web server's own logging of tracebacks, to the log.
"""

import logging
import math
from traceback import walk_tb

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.rest.faults import ErrorReply, Fault
from zoo import errors

log = logging.getLogger(__name__)

FRAMES = 5
"""Places that the log names of an unforeseen error, the innermost first."""
COME_BACK_S = 5
"""When to try again where the error does not say."""

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
    (errors.NoKey, 401),
    (errors.NotAllowed, 403),
    (errors.NotOpen, 409),
    (errors.DatabaseAway, 503),
    (errors.Busy, 429),
    (errors.TooSlow, 408),
    (errors.Stopped, 503),
    (errors.DeadlinePassed, 504),
)


def status_of(error: errors.ZooError) -> int:
    """The HTTP status for an error; 500 for one that no caller can do anything about."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def refusal(error: errors.ZooError) -> JSONResponse:
    """The reply for an error, with the time after which it is worth trying again where there is one."""
    status = status_of(error)
    after_s = error.after_s if isinstance(error, errors.Busy) else COME_BACK_S
    headers = {"Retry-After": str(math.ceil(after_s))} if status in (429, 503) else {}
    return JSONResponse(ErrorReply.of(error).model_dump(), status_code=status, headers=headers)


def add_error_replies(app: FastAPI) -> None:
    """Turn every error of the `/v1` and health routes into an `ErrorReply`."""
    app.add_exception_handler(errors.ZooError, _zoo_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_middleware(Silence)


async def _zoo_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.ZooError)
    return refusal(error)


async def _wrong_parameter(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return refusal(errors.BadInput(f"{name!r}: {first['msg']}", param=name))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    fault = Fault(
        type="HttpError", message=str(error.detail), hint="see /openapi.json for what this server takes"
    )
    reply = ErrorReply(error=fault)
    return JSONResponse(reply.model_dump(), status_code=error.status_code, headers=error.headers)


class Silence:
    """Ends every unforeseen error here: a reply that tells nothing, a log line of its type and place.

    A handler for `Exception` would not do, as Starlette raises the error again after it and uvicorn then
    logs it with its message. A reply that has begun cannot be changed and breaks off. The path is logged as
    its route's template, since a path can hold what a user typed. A client that went away is told nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            return
        except Exception as error:  # the edge: whatever went wrong is the reply
            where = (scope["method"], route_of(scope), type(error).__name__, _place(error))
            log.error("%s %s: %s at %s", *where)
            if not begun:
                await _internal_error()(scope, receive, send)


def route_of(scope: Scope) -> str:
    """The template of the route that a request took, such as `/v1/models/{id}`; `other` if it took none."""
    return str(getattr(scope.get("route"), "path", "other"))


def _place(error: Exception) -> str:
    """Where an error was raised and by which way, as `file:line`."""
    frames = [f"{frame.f_code.co_filename}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return " < ".join(frames[: -FRAMES - 1 : -1])


def _internal_error() -> JSONResponse:
    fault = Fault(type="InternalError", message="the server failed on this request", hint="ask the operator")
    return JSONResponse(ErrorReply(error=fault).model_dump(), status_code=500)
