"""Who asks, by what the head of a request tells, and what they may do. Sends and reads nothing."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Scope

from serving.defence.addresses import host_name, is_loopback
from serving.defence.keys import LOCAL, ROLES, KeyFile, Role
from zoo.errors import BadInput, NoKey, NotAllowed, Stopped

API = "/v1/"
ASKING = ("/v1/chat/completions", "/v1/compare")
LOADING = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter")
RATING = "/v1/annotations"
_LOOKING = ("GET", "HEAD", "OPTIONS")
_PAGE = "/gradio_api/"
_FORWARDED = (
    *(b"forwarded", b"x-forwarded-", b"x-original-", b"via", b"x-real-ip", b"x-client-ip"),
    *(b"true-client-ip", b"cf-"),
)
"""How the headers begin that proxies add."""


@dataclass(frozen=True)
class Caller:
    """A client by the name of its key, and what it may do."""

    name: str
    role: Role


class Callers:
    """Everyone whom this server serves: holders of a key, or with no keys this machine's own clients."""

    def __init__(self, *, keys: KeyFile | None, hosts: Sequence[str] = ()) -> None:
        """`hosts` are names by which clients call this server beside this machine's own."""
        self._keys = keys
        self._hosts = frozenset(host_name(host) for host in hosts)

    def identify(self, scope: Scope) -> Caller:
        """Who sent a request.

        Raises:
            NoKey: there are keys, and the request bears none of them.
            NotAllowed: it comes by another host's name, from another site's page, or, with no keys, from
                another machine.
            Stopped: the file of keys has become unreadable.
        """
        host = _header(scope, b"host")
        if self._keys is None:
            self._check_near(scope)
        if (self._keys is None or self._hosts) and not self._is_ours(host_name(host)):
            raise NotAllowed("this server has no such name as the Host header's", hint=_HOSTS)
        self._check_origin(scope, host)
        if self._keys is None:
            return Caller(LOCAL, "admin")
        try:
            key = self._keys.find(_token(scope))
        except BadInput:
            raise Stopped("the server cannot read its keys", hint="ask the operator") from None
        if key is None:
            raise NoKey(
                "a key is needed, and there was none or an unknown one",
                hint="send the header Authorization: Bearer KEY; in a browser the key is the password",
            )
        return Caller(key.name, key.role)

    def _is_ours(self, host: str) -> bool:
        return host in self._hosts or is_loopback(host)

    def _check_near(self, scope: Scope) -> None:
        """No keys: the client is on this machine, and nobody stands in between."""
        client = scope.get("client")
        if client is None or not is_loopback(client[0]):
            raise NotAllowed("this server has no keys, so it serves its own machine alone", hint=_KEYS)
        if any(name.startswith(_FORWARDED) for name, _ in scope["headers"]):
            raise NotAllowed("this server has no keys, and a proxy stands before it", hint=_KEYS)

    def _check_origin(self, scope: Scope, host: str) -> None:
        """A browser says whose page sends a request; another site's page has no business here."""
        origin = _header(scope, b"origin")
        authority = origin.partition("://")[2].lower()
        if origin and authority != host.lower() and host_name(authority) not in self._hosts:
            raise NotAllowed("the request comes from another site's page", hint=_HOSTS)


_HOSTS = "the operator sets MEDZOO_HOSTS"
_KEYS = "the operator makes keys by `medzoo keys new NAME` and sets MEDZOO_KEYS_FILE"


def check_role(caller: Caller, method: str, path: str) -> None:
    """Raise NotAllowed if the caller's role does not reach for this. What the API has not is let through,
    to be told so; what is not listed elsewhere needs admin."""
    nowhere = path.startswith(API) and path not in LOADING
    if path.startswith(RATING) and method not in _LOOKING:
        needed: Role = "annotate"
    elif method in _LOOKING or path in ASKING or path.startswith(_PAGE) or nowhere:
        needed = "read"
    else:
        needed = "admin"
    if ROLES.index(caller.role) < ROLES.index(needed):
        raise NotAllowed(
            f"the key {caller.name!r} has the role {caller.role}, and this needs {needed}",
            hint="ask the operator for another key",
        )


def _header(scope: Scope, name: bytes) -> str:
    """A header's value; values of a header that is there twice are joined, and so fit nothing."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _token(scope: Scope) -> str:
    """The key that a request bears; a browser sends it as a password, which no API route takes: a browser
    sends one along without being asked to."""
    scheme, _, value = _header(scope, b"authorization").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic" and not scope["path"].startswith(API):
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""
