"""Looking into a revision: folders, single paths, history; and branches and tags, to look at or change."""

from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.localhub import names
from zoo.localhub.errors import BadRequest, EntryMissing
from zoo.localhub.front import note
from zoo.localhub.gitrepo import Entry, GitRepo, LogEntry
from zoo.localhub.http import (
    flag,
    next_link,
    number,
    path_rest,
    read_body,
    read_json,
    repo_of,
    segment,
    writing,
)
from zoo.localhub.info import timestamp

_MOST_ENTRIES, _MOST_EXPANDED, _MOST_COMMITS = 1000, 50, 50


async def tree(request: Request) -> Response:
    """A folder's entries, a page at a time; all pages are of the commit that the first was of."""
    repo = await repo_of(request)
    revision = segment(request, "rev", slashes=True)
    folder = path_rest(request, slashes=True) if request.path_params.get("path") else ""
    expand = flag(request, "expand")
    most = _MOST_EXPANDED if expand else _MOST_ENTRIES
    limit, (pinned, start) = number(request, "limit", most, most=most), _cursor(request)

    def look() -> tuple[list[dict[str, Any]], str, bool]:
        git = repo.git()
        commit = git.resolve(pinned or revision)
        found = list(git.entries(commit, folder, recursive=flag(request, "recursive")))
        page = found[start : start + limit]
        return _told(git, commit, page, expand), commit, start + limit < len(found)

    page, commit, more = await run_in_threadpool(look)
    link = next_link(request, f"{commit}-{start + limit}") if more else {}
    return JSONResponse(page, headers={**link, "X-Repo-Commit": commit})


async def paths_info(request: Request) -> Response:
    """What lies at each of the paths; those where nothing lies are left out."""
    repo = await repo_of(request)
    revision = segment(request, "rev", slashes=True)
    if request.headers.get("content-type", "").startswith("application/json"):
        data = await read_json(request)
        paths, expand = data.get("paths", []), bool(data.get("expand"))
    else:
        form = parse_qs((await read_body(request)).decode("utf-8", "replace"))
        paths, expand = form.get("paths", []), form.get("expand", [""])[-1].lower() in ("true", "1")
    if isinstance(paths, str):
        paths = [paths]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise BadRequest("'paths' is no list of paths")

    def look() -> list[dict[str, Any]]:
        git = repo.git()
        commit = git.resolve(revision)
        found = []
        for path in dict.fromkeys(path.rstrip("/") for path in paths):
            try:
                if path:
                    found.append(git.entry(commit, path))
            except EntryMissing:
                continue
        return _told(git, commit, found, expand)

    return JSONResponse(await run_in_threadpool(look))


async def commits(request: Request) -> Response:
    """The history of a revision, newest first, a page at a time."""
    repo = await repo_of(request)
    revision = segment(request, "rev", slashes=True)
    limit, (pinned, start) = number(request, "limit", _MOST_COMMITS, most=_MOST_ENTRIES), _cursor(request)

    def look() -> tuple[str, list[LogEntry]]:
        git = repo.git()
        commit = git.resolve(pinned or revision)
        return commit, list(git.log(commit))

    head, log = await run_in_threadpool(look)
    page = [
        {
            "id": step.sha,
            "title": step.title,
            "message": step.message,
            "authors": [{"user": step.author}],
            "date": timestamp(step.time_s),
        }
        for step in log[start : start + limit]
    ]
    link = next_link(request, f"{head}-{start + limit}") if start + limit < len(log) else {}
    return JSONResponse(page, headers={**link, "X-Total-Count": str(len(log))})


async def refs(request: Request) -> Response:
    """Branches and tags."""
    repo = await repo_of(request)

    def look() -> dict[str, list[dict[str, str]]]:
        git = repo.git()
        return {
            key: [{"name": ref.name, "ref": ref.ref, "targetCommit": ref.commit} for ref in found]
            for key, found in (("branches", git.branches()), ("tags", git.tags()))
        }

    return JSONResponse({**await run_in_threadpool(look), "converts": [], "pullRequests": []})


async def create_branch(request: Request) -> Response:
    """A new branch, from `main` or a `startingPoint`."""
    repo = await repo_of(request, "write", act="create-branch")
    name = _ref(request, "branch")
    start = (await read_json(request)).get("startingPoint") or "main"

    def change() -> None:
        with writing(request, repo) as git:
            note(request, after=(commit := git.resolve(str(start))))
            git.create_branch(name, commit)

    await run_in_threadpool(change)
    return JSONResponse({})


async def delete_branch(request: Request) -> Response:
    """Delete a branch."""
    repo = await repo_of(request, "write", act="delete-branch")
    name = _ref(request, "branch")

    def change() -> None:
        with writing(request, repo) as git:
            note(request, before=git.branch(name))
            git.delete_branch(name)

    await run_in_threadpool(change)
    return JSONResponse({})


async def create_tag(request: Request) -> Response:
    """A new tag; the address names the revision, the body the tag."""
    repo = await repo_of(request, "write", act="create-tag")
    revision = segment(request, "rev", slashes=True)
    data = await read_json(request)
    tag = names.revision(str(data.get("tag")))
    message = names.message(str(data.get("message") or ""))
    note(request, ref=f"tag {tag}")

    def change() -> None:
        with writing(request, repo) as git:
            note(request, after=(commit := git.resolve(revision)))
            git.create_tag(tag, commit, message)

    await run_in_threadpool(change)
    return JSONResponse({})


async def delete_tag(request: Request) -> Response:
    """Delete a tag."""
    repo = await repo_of(request, "write", act="delete-tag")
    name = _ref(request, "tag")

    def change() -> None:
        with writing(request, repo) as git:
            note(request, before=git.tag(name))
            git.delete_tag(name)

    await run_in_threadpool(change)
    return JSONResponse({})


async def squash(request: Request) -> Response:
    """Replace a branch's history by one commit."""
    repo = await repo_of(request, "write", act="squash")
    branch = _ref(request, "branch")
    data = await read_json(request)

    def change() -> None:
        with writing(request, repo) as git:
            title = names.message(str(data.get("message") or "squash the history"))
            note(request, before=git.branch(branch))
            note(request, after=git.squash(branch, title=title))

    await run_in_threadpool(change)
    return JSONResponse({})


def _ref(request: Request, kind: str) -> str:
    """The branch or tag that the address names, noted for the audit log."""
    name = segment(request, "rev", slashes=True)
    note(request, ref=f"{kind} {name[:255]}")
    return name


def _cursor(request: Request) -> tuple[str, int]:
    """The commit and the place in it that a page starts from; none and 0 for the first."""
    commit, dash, place = request.query_params.get("cursor", "").partition("-")
    if not commit:
        return "", 0
    if not (dash and place.isascii() and place.isdigit() and len(place) < 10):
        raise BadRequest("the cursor is none that this Hub gave")
    return names.revision(commit), int(place)


def _told(git: GitRepo, commit: str, found: list[Entry], expand: bool) -> list[dict[str, Any]]:
    changes = git.last_changes(commit, [entry.path for entry in found]) if expand else {}
    page = []
    for entry in found:
        told: dict[str, Any] = {
            "type": entry.kind,
            "path": entry.path,
            "oid": entry.oid,
            "size": entry.size,
        }
        if entry.large:
            told["lfs"] = {
                "oid": entry.large.sha256,
                "size": entry.large.size,
                "pointerSize": entry.blob_size,
            }
        if entry.path in changes:
            step = changes[entry.path]
            told["lastCommit"] = {"id": step.sha, "title": step.title, "date": timestamp(step.time_s)}
        page.append(told)
    return page


ROUTES = [
    Route("/api/{kind}/{ns}/{name}/tree/{rev}", tree),
    Route("/api/{kind}/{ns}/{name}/tree/{rev}/{path:path}", tree),
    Route("/api/{kind}/{ns}/{name}/paths-info/{rev}", paths_info, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/commits/{rev}", commits),
    Route("/api/{kind}/{ns}/{name}/refs", refs),
    Route("/api/{kind}/{ns}/{name}/branch/{rev}", create_branch, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/branch/{rev}", delete_branch, methods=["DELETE"]),
    Route("/api/{kind}/{ns}/{name}/tag/{rev}", create_tag, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/tag/{rev}", delete_tag, methods=["DELETE"]),
    Route("/api/{kind}/{ns}/{name}/super-squash/{rev}", squash, methods=["POST"]),
]
