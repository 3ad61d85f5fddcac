"""What stands before the routes: the names this Hub answers to, whose token was sent, and the audit log.

No header of a proxy is believed: the address under which clients reach the Hub is said by `Front`, and behind
a proxy all callers have the proxy's address. So nobody is locked out by others who share an address: a good
token always passes, and wrong ones get 429 once there are too many.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.errors import BadInput
from zoo.localhub.access import LOCAL, NOBODY, Caller, caller_of
from zoo.localhub.audit import Audit
from zoo.localhub.errors import BadRequest
from zoo.localhub.store import Store
from zoo.localhub.users import find_user, watch_users

MOST_WRONG_A_MINUTE = 20
MOST_DENIALS_LOGGED_A_MINUTE = 60
MOST_NOTED = 1024
"""Characters of a name that the audit log takes; the longest path has as many bytes."""
WRONG_TOKEN = "Invalid credentials in Authorization header"
"""By these words the client tells a wrong token from a repository that is not there."""
_LOCAL_NAMES = {"127.0.0.1", "localhost", "[::1]"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Front:
    """How an embedded Hub meets its callers."""

    tokens: Path | None = None
    """The file of tokens; None: every token is the local user's, who may do everything."""
    public_url: str = ""
    """The address under which clients reach it, such as that of the proxy before it."""
    hosts: tuple[str, ...] = ()
    """Names in `Host` that it answers to, beside this machine's own and that of `public_url`."""
    anonymous: bool | None = None
    """Whether what is public can be read without a token; None: only where there is no file of tokens."""
    audit: Path | None = None

    def names(self) -> set[str]:
        """Every name that it answers to, in small letters.

        Raises:
            BadRequest: `public_url` is no address without a path, or others could reach it without tokens.
        """
        if (self.public_url or self.hosts) and self.tokens is None:
            raise BadRequest(
                "only this machine may use a Hub on which any token may write",
                hint="make a file of tokens: medzoo hub token new NAME --role admin --file FILE",
            )
        found = {*_LOCAL_NAMES, *(host.lower() for host in self.hosts)}
        if self.public_url:
            parts = urlsplit(self.public_url)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
                raise BadRequest(
                    f"{self.public_url!r} is no address for a Hub",
                    hint="say https://NAME or https://NAME:PORT, without a path",
                )
            found.add(_bare(parts.netloc))
        return found


class LocalHub:
    """The app with its front. Hands requests on with their path still percent-encoded.

    A page of another site may point its own name at 127.0.0.1; the name in `Host` tells it apart.
    """

    def __init__(self, inner: ASGIApp, store: Store, front: Front) -> None:
        """Raises: BadRequest, BadInput: see `Front.names`, `read_users`, `Audit`."""
        self._inner = inner
        self.store = store
        self._names = front.names()
        self._users = watch_users(front.tokens) if front.tokens else None
        self._anonymous = front.tokens is None if front.anonymous is None else front.anonymous
        self._audit = Audit(front.audit) if front.audit else None
        self._wrong = _Counts(MOST_WRONG_A_MINUTE)
        self._denials = _Denials(MOST_DENIALS_LOGGED_A_MINUTE)

    def still(self, scope: Scope) -> Caller:
        """Who sent a request, by the file of tokens as it is now; nobody if the token has ended."""
        met = self._meet(scope)
        return NOBODY if isinstance(met, Response) else met

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        if _bare(_headers(scope).get(b"host", b"").decode("latin-1")) not in self._names:
            names = ", ".join(sorted(self._names))
            answer = PlainTextResponse(f"this Hub answers to {names} alone; --hosts adds a name", 400)
            await answer(scope, receive, send)
            return
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        scope = {**scope, "path": raw.partition(b"?")[0].decode("latin-1"), "state": {"facts": {}}}
        if self._audit:
            send = self._audited(scope, send, self._audit)
        met = self._meet(scope)
        if isinstance(met, Response):
            await met(scope, receive, send)
            return
        scope["state"]["caller"] = met
        await self._inner(scope, receive, send)

    def knows(self, name: str) -> bool:
        """Whether a token of that name is good here. Raises: BadInput: see `read_users`."""
        return self._users is None or name in [user.name for user in self._users.get()]

    def close(self) -> None:
        """Tell the audit log how many denials it was not told of, and let go of the root folder."""
        try:
            for facts in self._denials.left_out(at_once=True):
                if self._audit:
                    self._audit.write(**facts)
        finally:
            self.store.close()

    def _meet(self, scope: Scope) -> Caller | Response:
        """Who is calling, or what to answer to somebody who may not come in."""
        authorization = _headers(scope).get(b"authorization", b"").decode("latin-1")
        scheme, _, token = authorization.partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        if self._users is None:
            return LOCAL if token else NOBODY
        if token == LOCAL.name:  # what a client sends to this machine's own Hub when it has no token
            token = ""
        # A large file's address is itself the permission to send it; the client sends no token there.
        sealed = scope["method"] == "PUT" and scope["path"].startswith("/lfs/")
        if not token:
            if self._anonymous or sealed:
                return NOBODY
            return _refused(401, "this Hub is for those who have a token", "set HF_TOKEN to yours")
        try:
            user = find_user(self._users.get(), token)
        except BadInput as error:
            _log.error("%s", error)
            return _refused(503, "nobody is let in until the file of tokens is mended")
        if user:
            return caller_of(user)
        if not self._wrong.under(_address(scope)):
            return _refused(429, "too many wrong tokens from this address", "wait a minute")
        return _refused(401, WRONG_TOKEN)

    def _audited(self, scope: Scope, send: Send, audit: Audit) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                for facts in (*self._denials.left_out(), self._facts(scope, message["status"])):
                    if facts:
                        await run_in_threadpool(audit.write, **facts)
            await send(message)

        return told

    def _facts(self, scope: Scope, status: int) -> dict[str, Any] | None:
        """The line for a request, once its answer is known; None if it needs none."""
        facts: dict[str, Any] = scope["state"]["facts"]
        hidden = facts.pop("hidden", False)
        denied = hidden or status in (401, 403, 429)
        looked = facts.get("act") == "read" and scope["method"] == "HEAD"
        caller: Caller = scope["state"].get("caller", NOBODY)
        # Counted by user too: behind a proxy, where all have one address, nobody hides another's attempts.
        if denied and not self._denials.is_told(caller.name, _address(scope)):
            return None
        if not denied and (not facts.get("act") or looked):
            return None
        act = facts.pop("act", f"{scope['method']} {scope['path'][:200]}")
        return {
            **_who(caller.name, _address(scope)),
            "act": act,
            **facts,
            "status": status,
            **({"denied": True} if denied else {}),
        }


class _Counts:
    """How often something happened for an address within the last minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: dict[str, deque[float]] = {}

    def under(self, address: str) -> bool:
        """Count once more; whether it is still at most `most`."""
        now = time.monotonic()
        if len(self._times) > 10_000:
            self._times = {key: seen for key, seen in self._times.items() if seen[-1] > now - 60}
        seen = self._times.setdefault(address, deque(maxlen=self._most + 1))
        seen.append(now)
        return len(seen) <= self._most or seen[0] < now - 60


class _Denials:
    """Denied attempts within a minute of the first, by user and address: which are told, how many are not."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        """When a minute began, those that began first in front, and the attempts in it."""

    def is_told(self, user: str, address: str) -> bool:
        """Count one more; whether it is among the first `most`. Call `left_out` before."""
        began, count = self._seen.get((user, address), (time.monotonic(), 0))
        self._seen[user, address] = began, count + 1
        return count < self._most

    def left_out(self, *, at_once: bool = False) -> list[dict[str, Any]]:
        """A line for everyone whose minute is over, or with `at_once` for all, of whom some were not told."""
        found = []
        while self._seen:
            (user, address), (began, count) = next(iter(self._seen.items()))
            if not at_once and time.monotonic() < began + 60:
                break
            del self._seen[user, address]
            if count > self._most:
                more = count - self._most
                found.append(
                    {**_who(user, address), "act": "more of the same", "denied": True, "times": more}
                )
        return found


def _who(user: str, address: str) -> dict[str, Any]:
    return {"user": user or None, "address": address}


def _refused(status: int, reason: str, hint: str = "") -> Response:
    headers = {"X-Error-Message": reason}
    if status == 429:
        headers["Retry-After"] = "60"
    return JSONResponse({"error": f"{reason} ({hint})" if hint else reason}, status, headers)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """The first of each name."""
    return dict(reversed(scope["headers"]))


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _bare(host: str) -> str:
    """A `Host` without its port, in small letters."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def note(request: Request, act: str | None = None, **facts: object) -> None:
    """Say what the request is about, for the audit log; the line is written when its answer is known."""
    short = {key: value[:MOST_NOTED] if isinstance(value, str) else value for key, value in facts.items()}
    request.state.facts.update(short if act is None else {"act": act, **short})
