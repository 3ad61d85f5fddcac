"""Who asks, by what the head of a request tells, and what they may do. Sends and reads nothing."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from starlette.types import Scope

from serving.defence.addresses import host_name, is_loopback
from serving.defence.cookies import session_token
from serving.defence.keys import LOCAL, ROLES, Key, Role
from serving.defence.proxies import Proxies
from zoo.errors import BadInput, NoKey, NotAllowed, Stopped

API = "/v1/"
ASKING = ("/v1/chat/completions", "/v1/compare")
LOADING = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter")
RATING = "/v1/annotations"
ENTRY = ("/sign-in", "/sign-out")
"""Open to whoever has not signed in yet."""
PASSWORD = "/password"
"""The page on which people change theirs."""
NEW_LIST = f"{RATING}/lists"
_OWN = (PASSWORD, f"{RATING}/me", f"{RATING}/me/password")
"""Of whoever asks, whatever their role."""
_LOOKING = ("GET", "HEAD", "OPTIONS")
_PAGE = "/gradio_api/"
_FORWARDED = (
    *(b"forwarded", b"x-forwarded-", b"x-original-", b"via", b"x-real-ip", b"x-client-ip"),
    *(b"true-client-ip", b"cf-"),
)
"""How the headers begin that proxies add."""

VISITOR = "visitor"
"""The name that all have together who ask a public demo: they share one quota."""

Way = Literal["machine", "key", "session", "proxy", "visit"]


@dataclass(frozen=True)
class Caller:
    """A client by the name of its key or account, and what it may do."""

    name: str
    role: Role
    way: Way = "key"
    """By what it is known; a person's account by a session or a proxy."""

    @property
    def account(self) -> bool:
        """True for a person, false for a program with a key."""
        return self.way in ("session", "proxy")

    def __str__(self) -> str:
        if self.way == "visit":
            return "this demo's visitors"
        return f"the {'account' if self.account else 'key'} {self.name!r}"


class Keys(Protocol):
    """Where keys are found."""

    def find(self, token: str) -> Key | None:
        """The key that a client sent, or None. Raises BadInput where keys cannot be read."""
        ...


class People(Protocol):
    """Those who may sign in."""

    async def role_of_session(self, token: str) -> tuple[str, Role] | None:
        """Whose session it is and what they may do."""
        ...

    async def role_of_name(self, name: str) -> tuple[str, Role] | None:
        """The account of that name, if it is open."""
        ...


class Callers:
    """Everyone whom this server serves: holders of a key and those who signed in; where there are neither
    keys nor accounts, this machine's own clients."""

    def __init__(
        self,
        *,
        keys: Keys | None,
        hosts: Sequence[str] = (),
        people: People | None = None,
        proxies: Proxies | None = None,
        public: bool = False,
    ) -> None:
        """`hosts` are names by which clients call this server beside this machine's own. `public`: where
        there are neither keys nor accounts, whoever calls it by one of its names may ask; no more."""
        self._keys = keys
        self._hosts = frozenset(host_name(host) for host in hosts)
        self._people = people
        self.proxies = proxies or Proxies()
        self._public = public

    @property
    def public(self) -> bool:
        """True where strangers may ask."""
        return self._public

    @property
    def sign_in(self) -> bool:
        """True where people have accounts."""
        return self._people is not None

    async def identify(self, scope: Scope) -> Caller:
        """Who sent a request.

        Raises:
            NoKey: it bears no key and no session that is known here.
            NotAllowed: it comes by another host's name, from another site's page, by a proxy that is not
                trusted or names nobody who is known, or, where there are neither keys nor accounts, from
                another machine.
            Stopped: the keys have become unreadable.
        """
        self.check_site(scope)
        if self._keys is None and self._people is None:
            return Caller(VISITOR, "read", "visit") if self._public else Caller(LOCAL, "admin", "machine")
        scheme = _header(scope, b"authorization").partition(" ")[0].lower()
        caller = await self._person(scope) if scheme != "bearer" else None
        if caller is None and (caller := self._holder(scope)) is None:
            raise self._nobody()
        return caller

    def check_site(self, scope: Scope) -> None:
        """Raise NotAllowed where a request comes by a name or from a page that is none of this server's."""
        host = _header(scope, b"host")
        alone = self._keys is None and self._people is None
        if alone and not self._public:
            self._check_near(scope)
        named = self.proxies.user(scope)
        if (alone or named or self._hosts) and not self._is_ours(host_name(host)):
            raise NotAllowed("this server has no such name as the Host header's", hint=_HOSTS)
        self._check_origin(scope, host)

    def comes_from(self, scope: Scope) -> tuple[str, bool]:
        """The browser's address, and whether it came by https."""
        return self.proxies.address(scope), self.proxies.secure(scope)

    async def _person(self, scope: Scope) -> Caller | None:
        if self._people is None:
            return None
        if named := self.proxies.user(scope):
            found = await self._people.role_of_name(named)
            if found is None:
                raise NotAllowed(
                    f"there is no account {named[:80]!r} here", hint="an administrator makes one"
                )
            return Caller(*found, "proxy")
        token = session_token(scope, secure=self.proxies.secure(scope))
        found = await self._people.role_of_session(token) if token else None
        return Caller(*found, "session") if found else None

    def _holder(self, scope: Scope) -> Caller | None:
        if self._keys is None:
            return None
        try:
            key = self._keys.find(_token(scope))
        except BadInput:
            raise Stopped("the server cannot read its keys", hint="ask the operator") from None
        return Caller(key.name, key.role) if key else None

    def _nobody(self) -> NoKey:
        if self._people is None:
            return NoKey(
                "a key is needed, and there was none or an unknown one",
                hint="send the header Authorization: Bearer KEY; in a browser the key is the password",
            )
        return NoKey(
            "nobody is signed in, and there was no key that is known",
            hint=f"in a browser: {ENTRY[0]}; a program sends the header Authorization: Bearer KEY",
        )

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
        """A browser says whose page sends a request; another site's page has no business here, nor one of
        this site that another server sent."""
        origin = _header(scope, b"origin")
        authority = origin.partition("://")[2].lower()
        foreign = origin and authority != host.lower() and host_name(authority) not in self._hosts
        changes = scope["method"] not in _LOOKING
        site = _header(scope, b"sec-fetch-site")
        if foreign or (changes and site not in ("", "same-origin", "none")):
            raise NotAllowed("the request comes from another site's page", hint=_HOSTS)


_HOSTS = "the operator sets MEDZOO_HOSTS"
_KEYS = "the operator makes keys by `medzoo keys new NAME` and sets MEDZOO_KEYS_FILE"


def check_role(caller: Caller, method: str, path: str) -> None:
    """Raise NotAllowed if the caller's role does not reach for this. What the API has not is let through,
    to be told so; what is not listed elsewhere needs admin. What within the ratings is an administrator's
    alone their routes know."""
    nowhere = path.startswith(API) and path not in LOADING
    if path == NEW_LIST and method not in _LOOKING:
        needed: Role = "admin"
    elif path.startswith(RATING) and path not in _OWN:
        needed = "annotate"
    elif method in _LOOKING or path in (*ASKING, *_OWN) or path.startswith(_PAGE) or nowhere:
        needed = "read"
    else:
        needed = "admin"
    if ROLES.index(caller.role) < ROLES.index(needed):
        raise NotAllowed(
            f"{caller} has the role {caller.role}, and this needs {needed}",
            hint="ask an administrator" if caller.account else "ask the operator for another key",
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
