"""Repositories as wholes: create, delete, move, settings, what one is, which there are; who the caller is."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.localhub import card, info, names, pages
from zoo.localhub.errors import AlreadyThere, BadRequest, NotOffered, RepoMissing
from zoo.localhub.front import note
from zoo.localhub.http import (
    base_url,
    caller,
    find,
    flag,
    kind_in,
    kind_of,
    need_files,
    need_ruler,
    need_token,
    need_writer,
    next_link,
    number,
    read_json,
    repo_of,
    sees,
    segment,
    store_of,
    web_url,
    writing,
)
from zoo.localhub.names import Kind
from zoo.localhub.store import Gated, Repo

_MOST_LISTED = 1000
_OPENNESS = {"manual": 0, "auto": 1, False: 2}
_NOT_OFFERED = ("apps", "inference", "inference_provider", "num_parameters")


async def whoami(request: Request) -> Response:
    """Who sent the token, and in which namespaces beside its own it is."""
    need_token(request)
    who = caller(request)
    role = "read" if who.role == "read" else "write"
    return JSONResponse(
        {
            "type": "user",
            "id": who.name,
            "name": who.name,
            "fullname": who.name,
            "isPro": False,
            "canPay": False,
            "orgs": [
                {"type": "org", "id": name, "name": name, "fullname": name, "roleInOrg": role}
                for name in who.namespaces
            ],
            "auth": {
                "type": "access_token",
                "accessToken": {
                    "displayName": who.name,
                    "role": role,
                    "createdAt": "1970-01-01T00:00:00.000Z",
                },
            },
        }
    )


async def create(request: Request) -> Response:
    """Make a repository; one that is there gets 409 with its address."""
    need_token(request)
    data = await read_json(request)
    kind, repo_id = kind_in(data), _id_in(request, data)
    private, gated, sdk = _visibility(data), _gated(data), _sdk(data, kind)
    note(request, "create", repo=f"{kind}s/{repo_id}", after={"private": private or False})
    need_writer(request, repo_id.partition("/")[0])
    answer = {"url": web_url(request, kind, repo_id), "name": repo_id, "id": repo_id}

    def make() -> None:
        store_of(request).create(
            kind,
            repo_id,
            private=private or False,
            gated=gated or False,
            author=caller(request).name,
            sdk=sdk,
        )

    try:
        await run_in_threadpool(make)
    except AlreadyThere as error:
        return JSONResponse({**answer, "error": error.message}, 409, {"X-Error-Message": error.message})
    return JSONResponse(answer)


async def delete(request: Request) -> Response:
    """Delete a repository with all its history."""
    need_token(request)
    data = await read_json(request)
    kind, repo_id = kind_in(data), _id_in(request, data)
    note(request, "delete", repo=f"{kind}s/{repo_id}")

    def change() -> None:
        repo = find(request, kind, repo_id, "rule")
        note(request, before=repo.git().resolve("main"))
        store_of(request).delete(repo)

    await run_in_threadpool(change)
    return JSONResponse({})


async def move(request: Request) -> Response:
    """Give a repository another name."""
    need_token(request)
    data = await read_json(request)
    kind, old, new = kind_in(data), _text(data, "fromRepo"), _text(data, "toRepo")
    note(request, "move", repo=f"{kind}s/{old[:200]}", after=f"{kind}s/{new[:200]}")

    def change() -> Repo:
        repo = find(request, kind, old, "rule")
        need_writer(request, new.partition("/")[0])
        return store_of(request).move(repo, new)

    moved = await run_in_threadpool(change)
    return JSONResponse({"url": web_url(request, moved.kind, moved.id), "id": moved.id})


async def settings(request: Request) -> Response:
    """Change who may see a repository: whoever writes to it may close it further, its ruler may open it."""
    repo = await repo_of(request, "write", act="settings")
    data = await read_json(request)
    private, gated = _visibility(data), _gated(data)

    def change() -> Repo:
        with writing(request, repo):
            before = find(request, repo.kind, repo.id).settings
            opens = (before.private and private is False) or (
                gated is not None and _OPENNESS[gated] > _OPENNESS[before.gated]
            )
            note(request, before={"private": before.private, "gated": before.gated})
            if opens:
                need_ruler(request, repo.namespace)
            return store_of(request).configure(repo, private=private, gated=gated)

    changed = await run_in_threadpool(change)
    told = {"private": changed.settings.private, "gated": changed.settings.gated}
    note(request, after=told)
    return JSONResponse(told)


async def describe(request: Request) -> Response:
    """What a repository is, at `main` or another revision."""
    repo = await repo_of(request)
    revision = segment(request, "rev", slashes=True) if "rev" in request.path_params else "main"
    told = await run_in_threadpool(info.describe, repo, revision, blobs=flag(request, "blobs"))
    expand = request.query_params.getlist("expand")
    return JSONResponse(_only(told, expand) if expand else told)


async def runtime(request: Request) -> Response:
    """How a Space runs: not at all, and what is missing for it to run elsewhere."""
    repo = await repo_of(request)
    if repo.kind != "space":
        raise BadRequest(f"the {repo.kind} {repo.id!r} does not run; a Space does")
    return JSONResponse((await run_in_threadpool(info.describe, repo, siblings=False))["runtime"])


async def single_name(request: Request) -> Response:
    """A repository without an owner, such as the Hub has from its early days: there is none here."""
    kind, name = kind_of(request.path_params.get("kind", "models")), segment(request, "name")
    raise RepoMissing(f"no {kind} {name!r}", hint=f"every one here has an owner: OWNER/{name}")


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
        sees=lambda repo: sees(request, repo),
    )
    found = await run_in_threadpool(lambda: info.select(store_of(request).repos(kind), query))
    page, cursor = pages.page(
        found,
        lambda told: info.place(told, query),
        cursor=params.get("cursor", ""),
        limit=number(request, "limit", _MOST_LISTED, most=_MOST_LISTED),
        descending=query.descending,
    )
    expand = params.getlist("expand")
    if expand:
        page = [_only(told, expand) for told in page]
    elif not (flag(request, "full") or flag(request, "cardData")):
        page = [{key: value for key, value in told.items() if key != "cardData"} for told in page]
    return JSONResponse(page, headers=next_link(request, cursor))


async def validate_yaml(request: Request) -> Response:
    """Whether a card's metadata can be read."""
    data = await read_json(request)
    kind = kind_in(data)
    try:
        metadata = card.parse(_text(data, "content"))
    except BadRequest as error:
        return JSONResponse({"errors": [{"message": error.message}], "warnings": []}, 400)
    wrong = [{"message": sentence} for sentence in card.check(metadata, kind)]
    warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
    return JSONResponse({"errors": wrong, "warnings": warnings}, 400 if wrong else 200)


async def auth_check(request: Request) -> Response:
    """Whether the caller may see a repository and fetch its files."""
    repo = await repo_of(request)
    await run_in_threadpool(need_files, request, repo)
    return JSONResponse({})


async def front(request: Request) -> Response:
    """What this is, for whoever opens the address in a browser."""
    token = "local" if request.app.state.open else "YOUR-TOKEN"
    return Response(
        f"An embedded Hub. Use it with:\n  export HF_ENDPOINT={base_url(request)} HF_TOKEN={token}\n",
        media_type="text/plain",
    )


def _only(told: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    return {key: told[key] for key in ("_id", "id", *keys) if key in told}


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"the body needs {key!r} as text")
    return value


def _id_in(request: Request, data: dict[str, Any]) -> str:
    owner, name = data.get("organization") or caller(request).name, _text(data, "name")
    if isinstance(owner, str) and "/" in name and not data.get("organization"):
        owner, _, name = name.partition("/")
    if not isinstance(owner, str):
        raise BadRequest("'organization' must be text")
    return names.repo_id(owner, name)


def _sdk(data: dict[str, Any], kind: Kind) -> str:
    """What a Space is to be made of; nothing here runs it."""
    sdk = data.get("sdk") if kind == "space" else ""
    if kind == "space" and sdk not in names.SDKS:
        raise BadRequest(f"the sdk of a Space is {sdk!r}; it is one of {', '.join(names.SDKS)}")
    for key in ("secrets", "variables", "volumes", "template"):
        if data.get(key):
            raise NotOffered(f"this Hub keeps no {key} of a Space, as it runs none")
    return str(sdk)


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
    Route("/api/{kind}/{ns}/{name}/runtime", runtime),
    Route("/api/{kind}/{ns}/{name}/revision/{rev}", describe),
]
LAST_ROUTES = [
    Route("/api/{kind}", listing),
    Route("/api/{kind}/{ns}/{name}", describe),
    Route("/api/{kind}/{name}", single_name),
    Route("/{name}/resolve/{rev}/{path:path}", single_name),
]
