"""Between HTTP and the store: who is calling, which repository, what a refusal looks like on the wire.

Paths reach the routes still percent-encoded, so that a slash inside a revision stays distinct from one
between segments; `segment` and `path_rest` decode them.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from zoo.localhub import names
from zoo.localhub.errors import (
    AlreadyThere,
    BadObject,
    BadRequest,
    CollectionMissing,
    EntryMissing,
    HubRefusal,
    KindMissing,
    NotOffered,
    NotSignedIn,
    RepoGated,
    RepoMissing,
    RevisionMissing,
    StaleParent,
    TooLarge,
)
from zoo.localhub.names import Kind
from zoo.localhub.store import Repo, Store

USER = "local"
MOST_JSON_BYTES = 16 << 20
_POUR_BYTES = 4 << 20
_KIND_OF_PREFIX: Mapping[str, Kind] = {"models": "model", "datasets": "dataset"}
_STATUS: Mapping[type[HubRefusal], tuple[int, str]] = {
    BadRequest: (400, ""),
    BadObject: (400, ""),
    NotSignedIn: (401, ""),
    RepoMissing: (404, "RepoNotFound"),
    CollectionMissing: (404, ""),
    KindMissing: (404, "RepoNotFound"),
    RepoGated: (401, "GatedRepo"),
    RevisionMissing: (404, "RevisionNotFound"),
    EntryMissing: (404, "EntryNotFound"),
    AlreadyThere: (409, ""),
    StaleParent: (412, ""),
    TooLarge: (413, ""),
    NotOffered: (501, ""),
}


def store_of(request: Request) -> Store:
    """The store that this app serves."""
    store: Store = request.app.state.store
    return store


def signed_in(request: Request) -> bool:
    """Whether the caller sent a token; any token is the local user's."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(token.strip())


def need_token(request: Request) -> None:
    """Raises: NotSignedIn: the caller sent no token."""
    if not signed_in(request):
        raise NotSignedIn("this needs a token", hint="any will do here: export HF_TOKEN=local")


def kind_of(prefix: str) -> Kind:
    """The kind of repository behind `models` or `datasets`.

    Raises:
        KindMissing: there are no repositories of that kind here.
    """
    if prefix not in _KIND_OF_PREFIX:
        raise KindMissing(f"this Hub holds models and data sets, no {prefix[:80]!r}")
    return _KIND_OF_PREFIX[prefix]


def kind_in(data: Mapping[str, Any]) -> Kind:
    """The kind of repository that a body's `type` or `repoType` names; a model where it names none."""
    return kind_of(f"{data.get('type') or data.get('repoType') or 'model'}s")


async def repo_of(request: Request, *, write: bool = False) -> Repo:
    """The repository that the address names, if the caller may see it; with `write`, change it.

    Raises:
        NotSignedIn, RepoMissing, BadRequest.
    """
    kind = kind_of(request.path_params.get("kind", "models"))
    if write:
        need_token(request)
    repo_id = names.repo_id(segment(request, "ns"), segment(request, "name"))
    repo = await run_in_threadpool(store_of(request).find, kind, repo_id)
    if repo.settings.private and not signed_in(request):
        raise RepoMissing(f"no {kind} {repo_id!r}")
    return repo


def segment(request: Request, key: str, *, slashes: bool = False) -> str:
    """A decoded part of the address; `slashes` allows encoded slashes in it.

    Raises:
        BadRequest: it holds an encoded slash, or bytes that are no UTF-8.
    """
    text = _decode(request.path_params[key])
    if "/" in text and not slashes:
        raise BadRequest(f"{text!r} has an encoded slash where there can be none")
    return text


def path_rest(request: Request, *, slashes: bool = False) -> str:
    """The file path at the end of an address, decoded and checked; `slashes` allows encoded ones in it."""
    raw: str = request.path_params["path"]
    if not slashes and re.search("%2f", raw, re.IGNORECASE):
        raise BadRequest(f"{raw!r} has an encoded slash")
    return names.file_path(_decode(raw))


def _decode(raw: str) -> str:
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{raw!r} is no UTF-8") from error


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty one.

    Raises:
        BadRequest: it is none.
        TooLarge: it is beyond the limit.
    """
    raw = await read_body(request)
    try:
        data = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadRequest("the body is no JSON object")
    return data


async def read_body(request: Request) -> bytes:
    """A small body, whole. Raises: TooLarge."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_JSON_BYTES:
            raise TooLarge(f"the body is larger than {MOST_JSON_BYTES} bytes")
    return bytes(raw)


async def pour(request: Request, write: Callable[[bytes], object], *, most: int | None = None) -> None:
    """Write a body of any size away, some MiB at a time, from a thread.

    Raises:
        BadObject: it has more than `most` bytes.
    """
    pending, total = bytearray(), 0
    async for chunk in request.stream():
        pending += chunk
        total += len(chunk)
        if most is not None and total > most:
            raise BadObject(f"more than the {most} bytes that were announced")
        if len(pending) >= _POUR_BYTES:
            await run_in_threadpool(write, bytes(pending))
            pending.clear()
    await run_in_threadpool(write, bytes(pending))


def flag(request: Request, key: str) -> bool:
    """A yes-or-no of the query string."""
    return request.query_params.get(key, "").lower() in ("1", "true")


def number(request: Request, key: str, default: int, *, most: int) -> int:
    """A count from 1 to `most` of the query string. Raises: BadRequest."""
    text = request.query_params.get(key)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise BadRequest(f"{key} is {text[:40]!r}, not a count")
    return min(int(text[:9]), most)


def base_url(request: Request) -> str:
    """The address by which the caller reached this Hub."""
    return f"{request.url.scheme}://{request.headers.get('host', '127.0.0.1')}"


def web_url(request: Request, kind: Kind, repo_id: str) -> str:
    """A repository's own address."""
    prefix = "datasets/" if kind == "dataset" else ""
    return f"{base_url(request)}/{prefix}{repo_id}"


def next_link(request: Request, cursor: str) -> dict[str, str]:
    """The header that leads to a listing's next page."""
    url = request.url.include_query_params(cursor=cursor)
    query = f"?{url.query}"
    return {"Link": f'<{base_url(request)}{request.scope["path"]}{query}>; rel="next"'}


def refusal(request: Request, error: Exception) -> Response:
    """A refusal as the Hub words it: status, X-Error-Code, X-Error-Message and a JSON body."""
    assert isinstance(error, HubRefusal)
    status, code = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    reason = f"{error.message} ({error.hint})" if error.hint else error.message
    if isinstance(error, RepoMissing) and not signed_in(request):
        # Without a token nobody learns whether a private repository is there.
        status, reason = 401, "no such repository, or one that needs a token (any will do here)"
    headers = {"X-Error-Message": re.sub(r"[^\x20-\x7e]", "?", reason)[:500]}
    if code:
        headers["X-Error-Code"] = code
    if isinstance(error, EntryMissing) and error.commit:
        headers["X-Repo-Commit"] = error.commit
    return JSONResponse({"error": reason}, status, headers)
