"""The page on which people change their own password: a form that needs no script.

What may be one, how often one may try and what ends is not decided here.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.annotations.accounts import LONGEST, SESSION_HOURS, SHORTEST
from serving.annotations.desk import Desk
from serving.annotations.passwords import check_way
from serving.defence.callers import PASSWORD
from serving.defence.cookies import session_cookie
from serving.defence.gate import came_from
from serving.ui.form_page import form_page, own_page, read_form, sentences
from zoo.errors import BadInput, Busy, NotAllowed

_FIELDS = ("old", "new", "again")
_TITLE = "Change password"
_PURPOSE = "Change your password"
_DONE = "Your password is changed. Wherever else you were signed in, you are signed out."


def password_routes(desk: Desk) -> APIRouter:
    """The routes of the page for the accounts of a desk."""
    router = APIRouter(include_in_schema=False)

    @router.get(PASSWORD)
    async def show(request: Request, to: str = "/") -> Response:
        try:
            check_way(_way(request))
        except NotAllowed as error:
            return _told(sentences(error), to=own_page(to), status=403)
        return _page(request, to=own_page(to))

    @router.post(PASSWORD)
    async def change(request: Request) -> Response:
        form = await read_form(request, *_FIELDS)
        try:
            check_way(_way(request))
        except NotAllowed as error:
            return _told(sentences(error), to=form["to"] if form else "/", status=403)
        if form is None:
            return _page(request, to="/", wrong="That was no form of this page.", status=422)
        to = form["to"]
        if form["new"] != form["again"]:
            wrong = "The new password is not the same twice."
            return _page(request, to=to, wrong=wrong, at="again", status=422)
        address, secure = came_from(request.scope)
        try:
            token = await desk.passwords.change(
                request.state.client, form["old"], form["new"], address=address
            )
        except BadInput as error:
            return _page(request, to=to, wrong=sentences(error), at="new", status=422)
        except NotAllowed as error:
            return _page(request, to=to, wrong=sentences(error), status=403)
        except Busy as error:
            return _page(request, to=to, wrong=sentences(error), after_s=error.after_s)
        cookie = session_cookie(token, secure=secure, max_age_s=SESSION_HOURS * 3600)
        return _told(_DONE, to=to, cookie=cookie)

    return router


def _way(request: Request) -> str:
    return getattr(request.state, "way", "")


def _told(words: str, *, to: str, status: int = 200, cookie: str = "") -> Response:
    page = form_page("told.html", {"words": words, "to": to}, title=_TITLE, purpose=_PURPOSE, status=status)
    if cookie:
        page.headers["Set-Cookie"] = cookie
    return page


def _page(
    request: Request, *, to: str, wrong: str = "", at: str = "old", status: int = 200, after_s: float = 0
) -> Response:
    """The form; the keyboard is at one of its fields, which is what is `wrong` where something is."""
    here = " autofocus" + (" aria-invalid=true aria-errormessage=wrong" if wrong else "")
    said = {
        "to": to,
        "name": request.state.client,
        "shortest": str(SHORTEST),
        "longest": str(LONGEST),
        **{field: here if field == at else "" for field in _FIELDS},
    }
    return form_page(
        "password.html", said, title=_TITLE, purpose=_PURPOSE, wrong=wrong, status=status, after_s=after_s
    )
