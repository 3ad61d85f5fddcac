"""Signing in and out: a page of its own that needs no script, and a cookie.

Whose page sends a form is the gate's to see (`serving.defence`), which says where a browser is and whether it
came by https.
"""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from serving.annotations.accounts import SESSION_HOURS
from serving.annotations.desk import Desk
from serving.defence.cookies import session_cookie, session_token
from serving.defence.gate import came_from
from serving.ui.form_page import form_page, own_page, read_form, sentences
from zoo.errors import Busy, NoKey

WRONG = "Name and password do not go together."


def sign_in_routes(desk: Desk) -> APIRouter:
    """The routes `/sign-in` and `/sign-out` for the accounts of a desk."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    async def show(to: str = "/") -> Response:
        return _page(to=own_page(to))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request, "name", "password")
        if form is None:
            return _page(wrong="That was no form of this page.", status=422)
        name, to = form["name"].strip().lower()[:64], form["to"]
        address, secure = came_from(request.scope)
        before = session_token(request.scope, secure=secure)
        try:
            token = await desk.passwords.sign_in(name, form["password"], address=address, before=before)
        except NoKey:
            return _page(name, to=to, wrong=WRONG, status=401)
        except Busy as error:
            return _page(name, to=to, wrong=sentences(error), after_s=error.after_s)
        return _go(to, session_cookie(token, secure=secure, max_age_s=SESSION_HOURS * 3600))

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        _, secure = came_from(request.scope)
        if token := session_token(request.scope, secure=secure):
            await desk.passwords.sign_out(token)
        return _go("/sign-in", session_cookie("", secure=secure, max_age_s=0))

    return router


def _go(to: str, cookie: str) -> Response:
    headers = {"Set-Cookie": cookie, "Cache-Control": "no-store"}
    return RedirectResponse(to, status_code=303, headers=headers)


def _page(
    name: str | None = None, *, to: str = "/", wrong: str = "", status: int = 200, after_s: float = 0
) -> Response:
    said = {
        "to": to,
        "name": name or "",
        "described": " aria-describedby=wrong" if wrong else "",
        "focus_name": " autofocus" if name is None else "",
        "focus_password": "" if name is None else " autofocus",
    }
    purpose = "Sign in to compare and rate"
    return form_page(
        "sign_in.html", said, title="Sign in", purpose=purpose, wrong=wrong, status=status, after_s=after_s
    )
