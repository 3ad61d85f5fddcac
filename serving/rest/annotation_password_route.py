"""The route by which people change their own password: by the old one, in a session that it began."""

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from serving.annotations.accounts import LONGEST, SESSION_HOURS, SHORTEST
from serving.annotations.desk import Desk
from serving.annotations.passwords import check_way
from serving.defence.cookies import session_cookie
from serving.defence.gate import came_from
from serving.rest.annotation_callers import Anyone
from serving.rest.annotation_routes import RATING
from serving.rest.bodies import RequestBody, read_json
from serving.rest.documents import error_replies, request_body

_CHANGED = {
    "description": "It is changed. All sessions of the account have ended; the cookie is a fresh one's.",
    "headers": {"set-cookie": {"schema": {"type": "string"}}},
}


class PasswordBody(RequestBody):
    """The password until now and the one from now on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"old": "four words until now", "new": "four words from now on"}]}
    )

    old: str = Field(max_length=LONGEST)
    new: str = Field(min_length=SHORTEST, max_length=LONGEST)


def annotation_password_route(desk: Desk) -> APIRouter:
    """The route of one desk's accounts."""
    router = APIRouter(prefix=RATING, tags=["ratings"])

    @router.post(
        "/me/password",
        status_code=204,
        response_class=Response,
        responses={**error_replies(422), 204: _CHANGED},
        openapi_extra=request_body(PasswordBody),
    )
    async def change(person: Anyone, request: Request) -> Response:
        """Change one's own password. For whoever signed in by it: not for keys, and not for those whom a
        proxy names. A wrong old one counts as a try to sign in, and waits grow with tries."""
        check_way(person.way)
        body = await read_json(request, PasswordBody)
        address, secure = came_from(request.scope)
        token = await desk.passwords.change(person.name, body.old, body.new, address=address)
        cookie = session_cookie(token, secure=secure, max_age_s=SESSION_HOURS * 3600)
        return Response(status_code=204, headers={"Set-Cookie": cookie})

    return router
