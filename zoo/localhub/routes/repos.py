"""Repositories as wholes: create, delete, move, settings, what one is, which there are; who the caller is."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.localhub import card, info, names
from zoo.localhub.errors import AlreadyThere, BadRequest, NotOffered, NotSignedIn, RepoMissing
from zoo.localhub.http import (
    USER,
    base_url,
    flag,
    kind_in,
    kind_of,
    need_token,
    next_link,
    number,
    read_json,
    repo_of,
    segment,
    signed_in,
    store_of,
    web_url,
)
from zoo.localhub.store import Gated

_MOST_LISTED = 1000
_NOT_OFFERED = ("apps", "inference", "inference_provider", "num_parameters")


async def whoami(request: Request) -> Response:
    """The local user, whatever the token."""
    if not signed_in(request):
        raise NotSignedIn("no token was sent", hint="any will do here: export HF_TOKEN=local")
    token = {"displayName": USER, "role": "write", "createdAt": "1970-01-01T00:00:00.000Z"}
    return JSONResponse(
        {
            "type": "user",
            "id": USER,
            "name": USER,
            "fullname": "Local user",
            "isPro": False,
            "canPay": False,
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


async def create(request: Request) -> Response:
    """Make a repository; one that is there gets 409 with its address."""
    need_token(request)
    data = await read_json(request)
    kind, repo_id = kind_in(data), _id_in(data)
    private, gated = _visibility(data), _gated(data)
    answer = {"url": web_url(request, kind, repo_id), "name": repo_id, "id": repo_id}
    try:
        await run_in_threadpool(
            store_of(request).create, kind, repo_id, private=private or False, gated=gated or False
        )
    except AlreadyThere as error:
        return JSONResponse({**answer, "error": error.message}, 409, {"X-Error-Message": error.message})
    return JSONResponse(answer)


async def delete(request: Request) -> Response:
    """Delete a repository with all its history."""
    need_token(request)
    data = await read_json(request)
    store = store_of(request)
    repo = await run_in_threadpool(store.find, kind_in(data), _id_in(data))
    await run_in_threadpool(store.delete, repo)
    return JSONResponse({})


async def move(request: Request) -> Response:
    """Give a repository another name."""
    need_token(request)
    data = await read_json(request)
    store = store_of(request)
    repo = await run_in_threadpool(store.find, kind_in(data), _text(data, "fromRepo"))
    moved = await run_in_threadpool(store.move, repo, _text(data, "toRepo"))
    return JSONResponse({"url": web_url(request, moved.kind, moved.id), "id": moved.id})


async def settings(request: Request) -> Response:
    """Change who may see a repository."""
    repo = await repo_of(request, write=True)
    data = await read_json(request)
    changed = await run_in_threadpool(
        store_of(request).configure, repo, private=_visibility(data), gated=_gated(data)
    )
    return JSONResponse({"private": changed.settings.private, "gated": changed.settings.gated})


async def describe(request: Request) -> Response:
    """What a repository is, at `main` or another revision."""
    repo = await repo_of(request)
    revision = segment(request, "rev", slashes=True) if "rev" in request.path_params else "main"
    told = await run_in_threadpool(info.describe, repo, revision, blobs=flag(request, "blobs"))
    expand = request.query_params.getlist("expand")
    return JSONResponse(_only(told, expand) if expand else told)


async def single_name(request: Request) -> Response:
    """A repository without an owner, such as the Hub has from its early days: there is none here."""
    kind, name = kind_of(request.path_params.get("kind", "models")), segment(request, "name")
    raise RepoMissing(f"no {kind} {name!r}", hint=f"every one here has an owner, such as {USER}/{name}")


async def listing(request: Request) -> Response:
    """The repositories that a query wants, a page at a time."""
    kind = kind_of(request.path_params["kind"])
    params = request.query_params
    for key in _NOT_OFFERED:
        if key in params:
            raise NotOffered(f"this Hub cannot filter by {key!r}")
    tags = [tag for value in params.getlist("filter") for tag in value.split(",") if tag]
    if params.get("pipeline_tag"):
        tags.append(params["pipeline_tag"])
    query = info.Query(
        search=tuple(params.getlist("search")),
        author=params.get("author"),
        tags=tuple(tags),
        gated=flag(request, "gated") if "gated" in params else None,
        sort=params.get("sort", "lastModified"),
        descending=params.get("direction", "-1") == "-1",
        signed_in=signed_in(request),
    )
    found = await run_in_threadpool(lambda: info.select(store_of(request).repos(kind), query))
    start = number(request, "cursor", 1, most=10**9) - 1
    stop = start + number(request, "limit", _MOST_LISTED, most=_MOST_LISTED)
    page, expand = found[start:stop], params.getlist("expand")
    if expand:
        page = [_only(told, expand) for told in page]
    elif not (flag(request, "full") or flag(request, "cardData")):
        page = [{key: value for key, value in told.items() if key != "cardData"} for told in page]
    return JSONResponse(page, headers=next_link(request, str(stop + 1)) if stop < len(found) else {})


async def validate_yaml(request: Request) -> Response:
    """Whether a card's metadata can be read."""
    data = await read_json(request)
    kind_in(data)
    try:
        metadata = card.parse(_text(data, "content"))
    except BadRequest as error:
        return JSONResponse({"errors": [{"message": error.message}], "warnings": []}, 400)
    wrong = [{"message": sentence} for sentence in card.check(metadata)]
    warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
    return JSONResponse({"errors": wrong, "warnings": warnings}, 400 if wrong else 200)


async def auth_check(request: Request) -> Response:
    """Whether the caller may see a repository."""
    await repo_of(request)
    return JSONResponse({})


async def front(request: Request) -> Response:
    """What this is, for whoever opens the address in a browser."""
    return Response(
        f"An embedded Hub. Use it with:\n  export HF_ENDPOINT={base_url(request)} HF_TOKEN={USER}\n",
        media_type="text/plain",
    )


def _only(told: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    return {key: told[key] for key in ("_id", "id", *keys) if key in told}


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"the body needs {key!r} as text")
    return value


def _id_in(data: dict[str, Any]) -> str:
    owner, name = data.get("organization") or USER, _text(data, "name")
    if isinstance(owner, str) and "/" in name and not data.get("organization"):
        owner, _, name = name.partition("/")
    if not isinstance(owner, str):
        raise BadRequest("'organization' must be text")
    return names.repo_id(owner, name)


def _visibility(data: dict[str, Any]) -> bool | None:
    if data.get("visibility") is not None:
        if data["visibility"] not in ("public", "private"):
            raise BadRequest(f"visibility is 'public' or 'private', not {data['visibility']!r}")
        return bool(data["visibility"] == "private")
    private = data.get("private")
    if not isinstance(private, bool | None):
        raise BadRequest(f"private is true or false, not {private!r}")
    return private


def _gated(data: dict[str, Any]) -> Gated | None:
    gated = data.get("gated")
    if gated is None or gated is False:
        return None if gated is None else False
    if gated == "auto" or gated == "manual":
        return "auto" if gated == "auto" else "manual"
    raise BadRequest(f"gated is 'auto', 'manual' or false, not {gated!r}")


ROUTES = [
    Route("/", front),
    Route("/api/whoami-v2", whoami),
    Route("/api/validate-yaml", validate_yaml, methods=["POST"]),
    Route("/api/repos/create", create, methods=["POST"]),
    Route("/api/repos/delete", delete, methods=["DELETE"]),
    Route("/api/repos/move", move, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/settings", settings, methods=["PUT"]),
    Route("/api/{kind}/{ns}/{name}/auth-check", auth_check),
    Route("/api/{kind}/{ns}/{name}/revision/{rev}", describe),
]
LAST_ROUTES = [
    Route("/api/{kind}", listing),
    Route("/api/{kind}/{ns}/{name}", describe),
    Route("/api/{kind}/{name}", single_name),
    Route("/{name}/resolve/{rev}/{path:path}", single_name),
]
