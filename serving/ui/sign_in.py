"""Signing in and out: a page of its own that needs no script, a cookie, a line in the log of acts.

Passwords are looked at by two threads and no more, since each look takes tens of milliseconds and 64 MiB. A
name that nobody has costs and gets what a wrong password does. Whose page sends a form is the gate's to see
(`serving.defence`), which says in `request.state` where a browser is and whether it came by https.
"""

import asyncio
import base64
import hashlib
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from time import monotonic
from typing import TypeVar
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from serving.annotations.accounts import SESSION_HOURS
from serving.annotations.desk import Desk
from serving.defence.cookies import session_cookie, session_token
from serving.defence.tries import Tries
from zoo.errors import NoKey
from zoo.notice import NOTICE

T = TypeVar("T")
LOOKERS = 2
"""Passwords that are looked at, at once."""
WAITING = 40
"""More who want to sign in at the same moment are told to wait."""
MOST_BYTES = 4096
"""Of a form that is sent."""
WRONG = "Name and password do not go together."
_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]{0,800}")
"""A path of this server: no other host's address in any browser's reading, no backslash, no control."""


@dataclass(frozen=True, kw_only=True)
class _Form:
    name: str
    password: str
    to: str


def sign_in_routes(desk: Desk) -> APIRouter:
    """The routes `/sign-in` and `/sign-out` for the accounts of a desk."""
    router = APIRouter(include_in_schema=False)
    tries = Tries()
    lookers = ThreadPoolExecutor(LOOKERS, thread_name_prefix="passwords")
    waiting = 0

    async def apart(look: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(lookers, look)

    @router.get("/sign-in")
    async def show(to: str = "/") -> Response:
        return _page(to=_own(to))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        nonlocal waiting
        form = await _read(request)
        if form is None:
            return _page(wrong="That was no form of this page.", status=422)
        address, secure = _comes_from(request)
        if waiting >= WAITING:
            return _page(form, wrong="Many sign in at this moment. Try again in a few seconds.", after_s=3)
        if wait_s := tries.begin(form.name, address, now=monotonic()):
            wrong = f"Too many tries. Try again in {_in_words(wait_s)}."
            return _page(form, wrong=wrong, after_s=wait_s)
        waiting += 1
        try:
            token = await apart(lambda: _look(desk, form, session_token(request.scope, secure=secure)))
        finally:
            waiting -= 1
        if token is None:
            return _page(form, wrong=WRONG, status=401)
        tries.won(form.name, address)
        return _go(form.to, session_cookie(token, secure=secure, max_age_s=SESSION_HOURS * 3600))

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        _, secure = _comes_from(request)
        if token := session_token(request.scope, secure=secure):
            await apart(lambda: _end(desk, token))
        return _go("/sign-in", session_cookie("", secure=secure, max_age_s=0))

    return router


def _look(desk: Desk, form: _Form, before: str | None) -> str | None:
    """A fresh session's token, None where name and password do not go together. A session that the browser
    had before ends."""
    try:
        token = desk.accounts.sign_in(form.name, form.password)
    except NoKey:  # what was typed as a name may be a password, so only names that are some are written
        desk.acts.add("nobody", "sign-in failed", form.name if desk.accounts.known(form.name) else "")
        return None
    if before:
        desk.accounts.sign_out(before)
    desk.acts.add(form.name, "signed in")
    return token


def _end(desk: Desk, token: str) -> None:
    if account := desk.accounts.find(token):
        desk.accounts.sign_out(token)
        desk.acts.add(account.name, "signed out")


async def _read(request: Request) -> _Form | None:
    """What the form says, None where it is none or longer than one can be."""
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
    if not all(len(said.get(name, ())) == 1 for name in ("name", "password")):
        return None
    name = said["name"][0].strip().lower()[:64]
    return _Form(name=name, password=said["password"][0], to=_own(said.get("to", ["/"])[0]))


def _comes_from(request: Request) -> tuple[str, bool]:
    """Where the browser is, and whether it came by https; as the gate says, or without one the connection."""
    here = request.client.host if request.client else ""
    state = request.state
    return getattr(state, "address", here), getattr(state, "secure", request.url.scheme == "https")


def _own(to: str) -> str:
    """The page to show afterwards: one of this server, else the first."""
    return to if _OWN.fullmatch(to) else "/"


def _go(to: str, cookie: str) -> Response:
    headers = {"Set-Cookie": cookie, "Cache-Control": "no-store"}
    return RedirectResponse(to, status_code=303, headers=headers)


def _in_words(wait_s: float) -> str:
    seconds = math.ceil(wait_s)
    return f"{seconds} seconds" if seconds < 100 else f"{math.ceil(seconds / 60)} minutes"


def _page(
    form: _Form | None = None, *, to: str = "/", wrong: str = "", status: int = 200, after_s: float = 0
) -> Response:
    template, policy = _template()
    told = f'<p class="wrong" id="wrong" role="alert">{escape(wrong)}</p>\n' if wrong else ""
    said = {
        "wrong": told,
        "to": escape(form.to if form else to),
        "name": escape(form.name if form else ""),
        "notice": escape(NOTICE),
        "described": ' aria-describedby="wrong"' if wrong else "",
        "focus_name": "" if form else " autofocus",
        "focus_password": " autofocus" if form else "",
    }
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",  # without a referrer a browser names no origin of a form either
        "Cache-Control": "no-store",
    }
    if after_s:
        status, headers["Retry-After"] = 429, str(math.ceil(after_s))
    page = re.sub(r"\{(\w+)\}", lambda found: said[found[1]], template)
    return HTMLResponse(page, status_code=status, headers=headers)


@cache
def _template() -> tuple[str, str]:
    """The page, and what it may load: its own style and nothing else."""
    page = (Path(__file__).parent / "assets" / "sign_in.html").read_text(encoding="utf-8")
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return page, policy
