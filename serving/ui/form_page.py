"""Pages that are one form and no script: what they say, what they may load, and what is sent back.

They load their own style and nothing else. Knows no account.
"""

import base64
import hashlib
import math
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import HTMLResponse

from serving.ui.style import asset
from zoo.errors import ZooError
from zoo.notice import NOTICE

MOST_BYTES = 24 * 1024
"""Of a form that is sent: three passwords of 500 letters of any script, each byte as three."""
_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]{0,800}")
"""A path of this server: no other host's address in any browser's reading, no backslash, no control."""


def form_page(
    name: str,
    said: Mapping[str, str],
    *,
    title: str,
    purpose: str,
    wrong: str = "",
    status: int = 200,
    after_s: float = 0,
) -> HTMLResponse:
    """The page whose form is the asset `name`, with what is `said` in its places; `after_s` is when to send
    it again."""
    frame, policy = _frame()
    alert = f'<p class="wrong" id="wrong" role="alert">{escape(wrong)}</p>\n' if wrong else ""
    form = _filled(asset(name), {place: escape(words) for place, words in said.items()} | {"wrong": alert})
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",  # without a referrer a browser names no origin of a form either
        "Cache-Control": "no-store",
    }
    if after_s:
        status, headers["Retry-After"] = 429, str(math.ceil(after_s))
    around = {"title": escape(title), "purpose": escape(purpose), "notice": escape(NOTICE)}
    page = _filled(frame, around | {"form": form})
    return HTMLResponse(page, status_code=status, headers=headers)


async def read_form(request: Request, *names: str) -> dict[str, str] | None:
    """What a form says by these names and, as `to`, which page to show afterwards. None: it is none, or
    longer than one can be, or says a name never or twice."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        said = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError:
        return None
    if not all(len(said.get(name, ())) == 1 for name in names):
        return None
    return {"to": own_page(said.get("to", ["/"])[0]), **{name: said[name][0] for name in names}}


def own_page(to: str) -> str:
    """The page to show afterwards: one of this server, else the first."""
    return to if _OWN.fullmatch(to) else "/"


def sentences(error: ZooError) -> str:
    """What an error says, for people."""
    said = (words[0].upper() + words[1:] for words in (error.message, error.hint) if words)
    return "".join(f"{words}. " for words in said).rstrip()


def _filled(template: str, said: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: said[found[1]], template)


@cache
def _frame() -> tuple[str, str]:
    """What stands around each form, and what the page may load."""
    page = asset("form_page.html")
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return page, policy
