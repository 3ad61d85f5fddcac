"""Writing: how a file is to be sent, large files, and the commit that puts all in place at once."""

import hashlib
import hmac
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.localhub import names, payload, pointer
from zoo.localhub.errors import BadObject, BadRequest, EntryMissing, NotOffered, NotSignedIn
from zoo.localhub.front import note
from zoo.localhub.gitrepo import Entry
from zoo.localhub.http import (
    base_url,
    caller,
    flag,
    kind_of,
    need_token,
    pour,
    read_json,
    repo_of,
    segment,
    store_of,
    web_url,
    writing,
)
from zoo.localhub.objects import git_sha1
from zoo.localhub.store import Repo

_MOST_FILES = 1000
LFS_JSON = "application/vnd.git-lfs+json"


async def preupload(request: Request) -> Response:
    """How to send each file, and what lies at its path now, so that an unchanged one is not sent.

    `regular` lets a client that would use Xet send the file within the commit; a server started with
    `lfs` says `lfs` for files that are kept outside git, for clients that have Xet off.
    """
    repo = await repo_of(request, "write")
    _no_pull_requests(request)
    revision = segment(request, "rev", slashes=True)
    files = (await read_json(request)).get("files")
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise BadRequest(f"'files' is no list of at most {_MOST_FILES} files")
    by_lfs: bool = request.app.state.lfs

    def look() -> list[dict[str, Any]]:
        git = repo.git()
        commit = git.resolve(revision)
        answer = []
        for file in files:
            if not (isinstance(file, dict) and isinstance(file.get("path"), str)):
                raise BadRequest("a file has no 'path'")
            size = file.get("size")
            if not isinstance(size, int):
                raise BadRequest(f"{file['path']!r} has no 'size'")
            try:
                entry = git.entry(commit, names.file_path(file["path"]))
            except EntryMissing:
                entry = None
            mode = "lfs" if by_lfs and pointer.goes_outside_git(file["path"], size) else "regular"
            told = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
            oid = _present(request, entry, size, mode) if entry else None
            answer.append({**told, "oid": oid} if oid else told)
        return answer

    return JSONResponse({"files": await run_in_threadpool(look)})


def _present(request: Request, entry: Entry, size: int, mode: str) -> str | None:
    """The id by which the client knows the content at a path, if it could be the one it has."""
    if entry.kind != "file" or entry.size != size:
        return None
    if mode == "lfs":
        return entry.large.sha256 if entry.large else None
    if entry.large is None:
        return entry.oid
    place = store_of(request).objects.path(entry.large.sha256)
    return git_sha1(place) if place.is_file() else None


async def commit(request: Request) -> Response:
    """Apply a commit: all of it or nothing, on top of what the branch holds at that moment."""
    repo = await repo_of(request, "write", act="commit")
    _no_pull_requests(request)
    branch = segment(request, "rev", slashes=True)
    note(request, ref=f"branch {branch[:255]}")
    store = store_of(request)
    body = await _spool(request, store.incoming)

    def change() -> str:
        asked = payload.read(body, repo.git(), store.objects, _holds(request, repo))
        with writing(request, repo) as git:
            note(request, before=git.branch(branch))
            sha = git.commit(
                branch, asked.edits, title=asked.title, message=asked.message, parent=asked.parent
            )
            note(request, after=sha)
            return sha

    try:
        sha = await run_in_threadpool(change)
    finally:
        body.unlink(missing_ok=True)
    url = f"{web_url(request, repo.kind, repo.id)}/commit/{sha}"
    return JSONResponse({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})


async def batch(request: Request) -> Response:
    """Where to send large files; those that are here already need no sending."""
    repo = await repo_of(request, "write")
    data = await read_json(request)
    if data.get("operation") != "upload":
        raise NotOffered("large files are downloaded by /resolve/, not by LFS")
    if data.get("hash_algo", "sha256") != "sha256":
        raise NotOffered("large files are known by their sha256 alone")
    asked = data.get("objects")
    if not isinstance(asked, list) or len(asked) > _MOST_FILES:
        raise BadRequest(f"'objects' is no list of at most {_MOST_FILES} objects")
    verify_at = f"{web_url(request, repo.kind, repo.id)}.git/info/lfs/verify"

    def look() -> list[dict[str, Any]]:
        objects, holds, answer = store_of(request).objects, _holds(request, repo), []
        for item in asked:
            if not (isinstance(item, dict) and isinstance(item.get("size"), int) and item["size"] >= 0):
                raise BadRequest("an object has no 'size'")
            oid, size = names.sha256(str(item.get("oid"))), item["size"]
            told: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
            if not (objects.size(oid) == size and holds(oid)):
                told["actions"] = {
                    "upload": {"href": f"{base_url(request)}{_sealed(request, repo, oid, size)}"},
                    "verify": {"href": verify_at},
                }
            answer.append(told)
        return answer

    return JSONResponse({"transfer": "basic", "objects": await run_in_threadpool(look)}, media_type=LFS_JSON)


async def put_object(request: Request) -> Response:
    """Take a large file's bytes. The address itself is the permission: the client sends no token here."""
    kind, oid = kind_of(request.path_params["kind"]), names.sha256(segment(request, "oid"))
    repo_id = names.repo_id(segment(request, "ns"), segment(request, "name"))
    size_text = segment(request, "size")
    if not (size_text.isascii() and size_text.isdigit() and len(size_text) < 19):
        raise BadRequest(f"{size_text[:40]!r} is no size")
    size, user = int(size_text), segment(request, "user")
    if not hmac.compare_digest(segment(request, "seal"), _seal(request, kind, repo_id, user, oid, size)):
        need_token(request)
        raise BadRequest("this address was not given by this server", hint="ask for the upload again")
    if not request.app.state.hub.knows(user):
        raise NotSignedIn("the token with which this address was asked for has ended")
    note(request, "upload", repo=f"{kind}s/{repo_id}", by=user, sha256=oid, bytes=size)
    store = store_of(request)
    with store.objects.incoming() as new:
        await pour(request, new.write, most=size)
        await run_in_threadpool(lambda: new.keep(sha256=oid, size=size))
    store.received.add((kind, repo_id, oid))
    return JSONResponse({})


async def verify(request: Request) -> Response:
    """Whether a large file arrived."""
    repo = await repo_of(request, "write")
    data = await read_json(request)
    oid = names.sha256(str(data.get("oid")))

    def arrived() -> bool:
        return store_of(request).objects.size(oid) == data.get("size") and _holds(request, repo)(oid)

    if not await run_in_threadpool(arrived):
        raise BadObject(f"the large file {oid} was not uploaded with {str(data.get('size'))[:40]} bytes")
    return JSONResponse({})


def _holds(request: Request, repo: Repo) -> Callable[[str], bool]:
    """Whether the caller may name a large file in the repository by its sha256 alone.

    To know a sha256 is not to have the file: a gated file's is told to everybody. So the file must have been
    sent for this repository or be in its history; or the caller is somebody who may read everything anyway.
    """
    here: set[str] = set()

    def holds(oid: str) -> bool:
        if caller(request).role == "admin" or (repo.kind, repo.id, oid) in store_of(request).received:
            return True
        if not here:
            here.update(repo.git().large_files(), {""})
        return oid in here

    return holds


def _sealed(request: Request, repo: Repo, oid: str, size: int) -> str:
    """The path at which the caller may send a large file for the repository, as long as this server runs."""
    user = caller(request).name
    seal = _seal(request, repo.kind, repo.id, user, oid, size)
    return f"/lfs/{repo.kind}s/{repo.id}/{user}/{oid}/{size}/{seal}"


def _seal(request: Request, *said: object) -> str:
    key: bytes = request.app.state.seal_key
    return hmac.new(key, json.dumps(said).encode(), hashlib.sha256).hexdigest()


def _no_pull_requests(request: Request) -> None:
    if flag(request, "create_pr"):
        raise NotOffered("this Hub has no pull requests", hint="commit to a branch instead")


async def _spool(request: Request, folder: Path) -> Path:
    """The body in a file, so that memory does not grow with it."""
    handle, name = tempfile.mkstemp(dir=folder, prefix="commit-")
    try:
        with os.fdopen(handle, "wb") as file:
            await pour(request, file.write)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


ROUTES = [
    Route("/api/{kind}/{ns}/{name}/preupload/{rev}", preupload, methods=["POST"]),
    Route("/api/{kind}/{ns}/{name}/commit/{rev}", commit, methods=["POST"]),
    Route("/{ns}/{name}.git/info/lfs/objects/batch", batch, methods=["POST"]),
    Route("/{kind}/{ns}/{name}.git/info/lfs/objects/batch", batch, methods=["POST"]),
    Route("/{ns}/{name}.git/info/lfs/verify", verify, methods=["POST"]),
    Route("/{kind}/{ns}/{name}.git/info/lfs/verify", verify, methods=["POST"]),
    Route("/lfs/{kind}/{ns}/{name}/{user}/{oid}/{size}/{seal}", put_object, methods=["PUT"]),
]
