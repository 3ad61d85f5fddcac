"""The routes by which a rater rates: own cases, blind until done, and clicks that are on disk once told."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from serving.annotations.desk import Desk
from serving.annotations.seat import Seat
from serving.rest.annotation_bodies import ClickBody, Kept, Me, SeenCaseReply
from serving.rest.annotation_callers import Anyone, Rater
from serving.rest.annotation_pictures import Opened
from serving.rest.annotation_samples import CASE, KEPT, KEPT_BEFORE, ME
from serving.rest.bodies import read_json
from serving.rest.documents import error_replies, request_body

RATING = "/v1/annotations"
_ALWAYS = error_replies()
_FINDING = error_replies(404, 409, 422)
_SHOWING = error_replies(400, 404, 409, 422)
_PNG: dict[str, Any] = {
    "description": "The picture as it is to be shown.",
    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}, "example": "(PNG)"}},
}
ListId = Annotated[str, Path(pattern="^[0-9a-f]{1,16}$", examples=["5f0c1d7e"])]
CaseId = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[7])]


def annotation_routes(desk: Desk, opened: Opened) -> APIRouter:
    """The routes of one desk for its raters."""
    router = APIRouter(prefix=RATING, tags=["ratings"])

    @router.get("/me", responses={**_ALWAYS, 200: {"content": ME}})
    def me(person: Anyone) -> Me:
        """Who asks, and by which role."""
        by_password = person.way == "session"
        return Me(name=person.name, role=person.called, account=person.account, password=by_password)

    @router.get("/cases/{id}", responses={**_FINDING, 200: {"content": CASE}})
    def case(id: CaseId, person: Rater) -> SeenCaseReply:
        """A case that is assigned to whoever asks: pictures, question, and texts by letter in an order of the
        rater's own. Who said which is told once the rater is done with it, and with any repeat of it."""
        seat = Seat(desk, person.name)
        seen = seat.case(id)
        count = 0 if seen.work_list.state == "closed" and not seen.work_list.keep else seen.own.case.pictures
        scans = [opened.get(id, number, partial(seat.picture, id, number)) for number in range(count)]
        return SeenCaseReply.of_case(seen, tuple(scans))

    @router.get("/cases/{id}/images/{number}", response_class=Response, responses={**_SHOWING, 200: _PNG})
    def image(
        id: CaseId,
        number: Annotated[int, Path(ge=0, le=10_000, examples=[0])],
        person: Rater,
        frame: Annotated[int | None, Query(ge=0, le=100_000, description="None: the middle one.")] = None,
        centre: Annotated[float | None, Query(ge=-1e9, le=1e9)] = None,
        width: Annotated[float | None, Query(gt=0, le=1e9)] = None,
        inverted: bool = False,
    ) -> Response:
        """A picture of such a case as PNG, in a window of its values, inverted where asked."""
        data = Seat(desk, person.name).picture(id, number)
        scan = opened.get(id, number, lambda: data)
        shown = opened.show(scan, frame=frame, centre=centre, width=width, inverted=inverted)
        return Response(shown, media_type="image/png", headers={"cache-control": "no-store"})

    @router.post(
        "/cases/{id}/clicks",
        response_model=Kept,
        status_code=201,
        responses={**_FINDING, 201: {"content": KEPT}, 200: {"model": Kept, "content": KEPT_BEFORE}},
        openapi_extra=request_body(ClickBody),
    )
    async def click(id: CaseId, person: Rater, request: Request, response: Response) -> Kept:
        """Set one thing of a case. The reply comes once it is on disk. After `done` a click is a correction,
        which is kept as one that was made after the names were seen."""
        body = await read_json(request, ClickBody)
        kept = await run_in_threadpool(
            Seat(desk, person.name).click,
            id,
            uid=body.uid.lower(),
            letter=body.letter,
            sets=body.sets,
            value=body.value,
        )
        response.status_code = 201 if kept else 200
        return Kept(kept=kept)

    return router
