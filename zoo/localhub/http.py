"""Between HTTP and the store: who is calling, which repository, what a refusal looks like on the wire.

Paths reach the routes still percent-encoded, so that a slash inside a revision stays distinct from one
between segments; `segment` and `path_rest` decode them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from zoo.localhub import gate, names
from zoo.localhub.access import Caller
from zoo.localhub.errors import (
    AlreadyThere,
    BadObject,
    BadRequest,
    CollectionMissing,
    Damaged,
    EntryMissing,
    Forbidden,
    HubRefusal,
    KindMissing,
    NotOffered,
    NotSignedIn,
    RepoGated,
    RepoMissing,
    RequestMissing,
    RevisionMissing,
    StaleParent,
    TooLarge,
)
from zoo.localhub.front import note
from zoo.localhub.gitwriter import GitWriter
from zoo.localhub.names import Kind
from zoo.localhub.store import Repo, Store

MOST_JSON_BYTES = 16 << 20
_POUR_BYTES = 4 << 20
_KIND_OF_PREFIX: Mapping[str, Kind] = {f"{kind}s": kind for kind in names.KINDS}
_STATUS: Mapping[type[HubRefusal], tuple[int, str]] = {
    BadRequest: (400, ""),
    BadObject: (400, ""),
    NotSignedIn: (401, ""),
    Forbidden: (403, ""),
    RepoMissing: (404, "RepoNotFound"),
    CollectionMissing: (404, ""),
    RequestMissing: (404, ""),
    KindMissing: (404, "RepoNotFound"),
    RepoGated: (403, "GatedRepo"),
    RevisionMissing: (404, "RevisionNotFound"),
    EntryMissing: (404, "EntryNotFound"),
    AlreadyThere: (409, ""),
    StaleParent: (412, ""),
    TooLarge: (413, ""),
    Damaged: (500, ""),
    NotOffered: (501, ""),
}


def store_of(request: Request) -> Store:
    """The store that this app serves."""
    store: Store = request.app.state.store
    return store


def caller(request: Request) -> Caller:
    """Whoever sent the request."""
    found: Caller = request.state.caller
    return found


def need_token(request: Request) -> None:
    """Raises: NotSignedIn: the caller sent no token."""
    if not caller(request).known:
        raise NotSignedIn("this needs a token", hint=_token_hint(request))


def need_writer(request: Request, namespace: str) -> None:
    """Raises: NotSignedIn, Forbidden: the caller may not make repositories there or commit to them."""
    need_token(request)
    if not caller(request).writes_to(namespace):
        raise Forbidden(f"{_who(request)} may not write to {namespace!r}", hint=_KEEPER)


def need_ruler(request: Request, namespace: str) -> None:
    """Raises: NotSignedIn, Forbidden: the caller may not delete, move or open repositories there."""
    need_token(request)
    if not caller(request).rules(namespace):
        raise Forbidden(f"that is for {namespace!r} and admins, not for {_who(request)}", hint=_KEEPER)


_KEEPER = "ask the keeper of this Hub's file of tokens"


def _who(request: Request) -> str:
    return f"{caller(request).name!r}, whose role is {caller(request).role!r},"


def _token_hint(request: Request) -> str:
    return "any will do here: export HF_TOKEN=local" if request.app.state.open else "set HF_TOKEN to yours"


def kind_of(prefix: str) -> Kind:
    """The kind of repository behind `models`, `datasets` or `spaces`.

    Raises:
        KindMissing: there are no repositories of that kind here.
    """
    if prefix not in _KIND_OF_PREFIX:
        raise KindMissing(f"this Hub holds models, data sets and Spaces, no {prefix[:80]!r}")
    return _KIND_OF_PREFIX[prefix]


def kind_in(data: Mapping[str, Any]) -> Kind:
    """The kind of repository that a body's `type` or `repoType` names; a model where it names none."""
    return kind_of(f"{data.get('type') or data.get('repoType') or 'model'}s")


Need = Literal["see", "write", "rule"]


async def repo_of(request: Request, need: Need = "see", *, act: str | None = None) -> Repo:
    """The repository that the address names, if the caller may see it, write to it, or rule it.

    `act` is what the audit log says was done or tried.

    Raises:
        NotSignedIn, Forbidden, RepoMissing, BadRequest.
    """
    kind = kind_of(request.path_params.get("kind", "models"))
    repo_id = names.repo_id(segment(request, "ns"), segment(request, "name"))
    note(request, act, repo=f"{kind}s/{repo_id}")
    if need != "see":
        need_token(request)
    return await run_in_threadpool(find, request, kind, repo_id, need)


def find(request: Request, kind: Kind, repo_id: str, need: Need = "see") -> Repo:
    """A repository by its name, if the caller may see it, write to it, or rule it. Raises: as `repo_of`."""
    try:
        repo = store_of(request).find(kind, repo_id)
        visible = sees(request, repo)
    except Damaged:  # nobody can tell whether it is private
        if caller(request).belongs_to(repo_id.partition("/")[0]):
            raise
        visible = False
    if not visible:
        note(request, hidden=True)
        raise RepoMissing(f"no {kind} {repo_id!r}")
    if need != "see":
        (need_writer if need == "write" else need_ruler)(request, repo.namespace)
    return repo


@contextmanager
def writing(request: Request, repo: Repo, need: Need = "write") -> Iterator[GitWriter]:
    """Hold the repository's lock for a caller who may write to it, or rule it, as things are by then.

    Raises: as `repo_of`.
    """
    with store_of(request).writing(repo, caller(request).name) as git:
        find(request, repo.kind, repo.id, need)
        yield git


def sees(request: Request, repo: Repo) -> bool:
    """Whether the caller may know of the repository."""
    return not repo.settings.private or caller(request).belongs_to(repo.namespace)


def need_files(request: Request, repo: Repo) -> None:
    """Raises: NotSignedIn, RepoGated: the repository's files are not for the caller."""
    who = caller(request)
    if not repo.settings.gated or who.belongs_to(repo.namespace):
        return
    if not (who.known and gate.accepted(repo.folder, who.name)):
        prefix = prefix_of(repo.kind)
        raise RepoGated(
            f"the files of the {repo.kind} {repo.id!r} are for those who were let in",
            hint=f"ask: medzoo hub ask {prefix}{repo.id} --hub {base_url(request)}",
        )


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
        NotSignedIn: the caller's token ended while it came.
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
    _meet_again(request)
    return bytes(raw)


async def pour(request: Request, write: Callable[[bytes], object], *, most: int | None = None) -> None:
    """Write a body of any size away, some MiB at a time, from a thread.

    Raises:
        NotSignedIn: the caller's token ended while it came.
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
    _meet_again(request)


def _meet_again(request: Request) -> None:
    """Look a user up anew: a body may have taken hours. Raises: NotSignedIn: the token ended meanwhile."""
    if caller(request).known:
        request.state.caller = request.app.state.hub.still(request.scope)
        need_token(request)


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
    """The address by which callers reach this Hub."""
    public: str = request.app.state.public_url
    return public or f"http://{request.headers.get('host', '127.0.0.1')}"


def web_url(request: Request, kind: Kind, repo_id: str) -> str:
    """A repository's own address."""
    return f"{base_url(request)}/{prefix_of(kind)}{repo_id}"


def prefix_of(kind: Kind) -> str:
    """What stands before a repository's name in its own address."""
    return "" if kind == "model" else f"{kind}s/"


def next_link(request: Request, cursor: str) -> dict[str, str]:
    """The header that leads to a listing's next page; none where `cursor` is empty."""
    if not cursor:
        return {}
    url = request.url.include_query_params(cursor=cursor)
    query = f"?{url.query}"
    return {"Link": f'<{base_url(request)}{request.scope["path"]}{query}>; rel="next"'}


def refusal(request: Request, error: Exception) -> Response:
    """A refusal as the Hub words it: status, X-Error-Code, X-Error-Message and a JSON body."""
    assert isinstance(error, HubRefusal)
    status, code = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    reason = f"{error.message} ({error.hint})" if error.hint else error.message
    if isinstance(error, RepoMissing) and not caller(request).known:
        # Without a token nobody learns whether a private repository is there.
        status, reason = 401, f"no such repository, or one that needs a token ({_token_hint(request)})"
    if isinstance(error, RepoGated) and not caller(request).known:
        status = 401
    headers = {"X-Error-Message": re.sub(r"[^\x20-\x7e]", "?", reason)[:500]}
    if code:
        headers["X-Error-Code"] = code
    if isinstance(error, EntryMissing) and error.commit:
        headers["X-Repo-Commit"] = error.commit
    return JSONResponse({"error": reason}, status, headers)
