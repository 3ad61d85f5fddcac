"""The cookie by which a browser says that somebody is signed in: its name, how it is set, how it is read.

Only its own pages may make a browser send it, no script may read it, and over https none but this host can
have set it. Knows nobody.
"""

import re

from starlette.types import Scope

_NAME = "medzoo_session"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 bits in base64 for URLs."""


def cookie_name(*, secure: bool) -> str:
    """Over https a name that browsers take from this very host alone (RFC 6265bis, `__Host-`)."""
    return f"__Host-{_NAME}" if secure else _NAME


def session_cookie(token: str, *, secure: bool, max_age_s: int) -> str:
    """The value of a `Set-Cookie` header; a `max_age_s` of 0 takes the cookie away."""
    tail = "; Secure" if secure else ""
    name = cookie_name(secure=secure)
    return f"{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{tail}"


def session_token(scope: Scope, *, secure: bool) -> str | None:
    """The token that a request brings. None where there is none, none that could be one, or two."""
    found = []
    for name, value in scope["headers"]:
        if name == b"cookie":
            pairs = (pair.partition("=") for pair in value.decode("latin-1").split(";"))
            found += [said.strip() for key, _, said in pairs if key.strip() == cookie_name(secure=secure)]
    return found[0] if len(found) == 1 and _TOKEN.fullmatch(found[0]) else None
