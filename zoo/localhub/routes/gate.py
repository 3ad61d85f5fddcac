"""Asking for a gated repository's files, and answering those who asked."""

from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.localhub import gate, pages
from zoo.localhub.errors import BadRequest, RequestMissing
from zoo.localhub.front import note
from zoo.localhub.gate import Asked, Status
from zoo.localhub.http import (
    caller,
    need_token,
    next_link,
    number,
    read_json,
    repo_of,
    segment,
    store_of,
    writing,
)
from zoo.localhub.info import timestamp
from zoo.localhub.store import Repo

_MOST_LISTED = 100


async def ask(request: Request) -> Response:
    """Ask for a repository's files: `auto` lets everybody in, `manual` leaves it to whoever rules there.

    Who was rejected stays so until one of those changes it.
    """
    need_token(request)
    repo = await repo_of(request, act="ask-access")
    _need_gate(repo)

    def change() -> Asked:
        with store_of(request).writing(repo):
            user = caller(request).name
            found = gate.asked(repo.folder).get(user)
            auto = repo.settings.gated == "auto"
            if found is None or (auto and found.status == "pending"):
                found = gate.fresh(user, "accepted" if auto else "pending")
                gate.put(repo.folder, found)
            return found

    found = await run_in_threadpool(change)
    note(request, after=found.status)
    return JSONResponse({"status": found.status})


async def listing(request: Request) -> Response:
    """The requests that are pending, accepted or rejected, a page at a time, oldest first."""
    repo = await repo_of(request, "rule")
    status = _status(segment(request, "status"))
    everything = await run_in_threadpool(gate.asked, repo.folder)
    found, cursor = pages.page(
        (one for one in everything.values() if one.status == status),
        lambda one: (one.time_s, one.id),
        cursor=request.query_params.get("cursor", ""),
        limit=number(request, "limit", _MOST_LISTED, most=_MOST_LISTED),
        descending=False,
    )
    page = [
        {
            "requestId": one.id,
            "user": {"user": one.user, "fullname": one.user},
            "status": one.status,
            "timestamp": timestamp(one.time_s),
        }
        for one in found
    ]
    return JSONResponse(page, headers=next_link(request, cursor))


async def handle(request: Request) -> Response:
    """Accept, reject or take back somebody's request, named by user or by request."""
    repo = await repo_of(request, "rule", act="handle-access")
    _need_gate(repo)
    data = await read_json(request)
    status = _status(data.get("status"))

    def change() -> None:
        with writing(request, repo, "rule"):
            found = next((one for one in gate.asked(repo.folder).values() if _meant(one, data)), None)
            if found is None or found.status == status:
                state = "no request" if found is None else f"a request that is {status} already"
                raise RequestMissing(f"there is {state} of {data.get('user') or data.get('requestId')!r}")
            note(request, of=found.user, before=found.status, after=status)
            reason = str(data.get("rejectionReason") or "")[:500]
            gate.put(repo.folder, replace(found, status=status, reason=reason))

    await run_in_threadpool(change)
    return JSONResponse({})


async def grant(request: Request) -> Response:
    """Let a user in who has not asked."""
    repo = await repo_of(request, "rule", act="grant-access")
    _need_gate(repo)
    user = (await read_json(request)).get("user")
    if not isinstance(user, str):
        raise BadRequest("the body needs 'user' as text")
    note(request, of=user[:200])
    if not request.app.state.hub.knows(user):
        raise RequestMissing(f"nobody here is called {user[:80]!r}")

    def change() -> None:
        with writing(request, repo, "rule"):
            if gate.accepted(repo.folder, user):
                raise BadRequest(f"{user!r} may fetch the files already")
            gate.put(repo.folder, gate.fresh(user, "accepted"))

    await run_in_threadpool(change)
    return JSONResponse({})


def _need_gate(repo: Repo) -> None:
    if not repo.settings.gated:
        raise BadRequest(f"the {repo.kind} {repo.id!r} is not gated")


def _status(text: object) -> Status:
    for status in gate.STATUSES:
        if status == text:
            return status
    raise BadRequest(f"a status is one of {', '.join(gate.STATUSES)}, not {str(text)[:80]!r}")


def _meant(one: Asked, data: dict[str, Any]) -> bool:
    return one.user == data["user"] if data.get("user") else one.id == data.get("requestId")


ROUTES = [
    Route("/{ns}/{name}/ask-access", ask, methods=["POST"]),
    Route("/{kind}/{ns}/{name}/ask-access", ask, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/user-access-request/handle", handle, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/user-access-request/grant", grant, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/user-access-request/{status}", listing),
]
