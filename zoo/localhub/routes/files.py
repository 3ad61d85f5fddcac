"""A file's bytes at a revision, whole or in part, with the headers by which the client caches them."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from zoo.localhub.errors import EntryMissing
from zoo.localhub.front import note
from zoo.localhub.gitrepo import Entry
from zoo.localhub.http import need_files, path_rest, repo_of, segment, store_of
from zoo.localhub.ranges import Unsatisfiable, wanted_range


class _LargeFile(FileResponse):
    chunk_size = 1 << 20


async def resolve(request: Request) -> Response:
    """A file. A large one comes straight from its place, and is known by its sha256."""
    repo = await repo_of(request)
    revision, path = segment(request, "rev", slashes=True), path_rest(request)
    if repo.settings.private or repo.settings.gated:
        note(request, "read", path=path, revision=revision)
    await run_in_threadpool(need_files, request, repo)

    def look() -> tuple[str, Entry, bytes | None]:
        git = repo.git()
        commit = git.resolve(revision)
        entry = git.entry(commit, path)
        if entry.kind != "file":
            raise EntryMissing(f"{path!r} is a folder in commit {commit}", commit=commit)
        return commit, entry, None if entry.large else git.read(entry.oid)

    commit, entry, data = await run_in_threadpool(look)
    note(request, revision=commit)
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
    if data is None:
        return await _large(request, entry, headers)
    headers["ETag"] = f'"{entry.oid}"'
    return _small(request, data, headers)


async def _large(request: Request, entry: Entry, headers: dict[str, str]) -> Response:
    assert entry.large
    sha256 = entry.large.sha256
    place = store_of(request).objects.path(sha256)
    if not await run_in_threadpool(place.is_file):
        raise EntryMissing(
            f"the large file {sha256} of {entry.path!r} is gone", commit=headers["X-Repo-Commit"]
        )
    headers |= {"ETag": f'"{sha256}"', "X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(entry.large.size)}
    return _LargeFile(place, headers=headers, media_type="application/octet-stream")


def _small(request: Request, data: bytes, headers: dict[str, str]) -> Response:
    media_type = "application/octet-stream" if b"\0" in data else "text/plain; charset=utf-8"
    if_range = request.headers.get("if-range")
    asked = request.headers.get("range") if if_range in (None, headers["ETag"]) else None
    try:
        part = wanted_range(asked, len(data))
    except Unsatisfiable:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(data)}"})
    if part is None:
        return Response(data, headers=headers, media_type=media_type)
    first, last = part
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, media_type)


ROUTES = [
    Route("/{ns}/{name}/resolve/{rev}/{path:path}", resolve),
    Route("/{kind}/{ns}/{name}/resolve/{rev}/{path:path}", resolve),
]
