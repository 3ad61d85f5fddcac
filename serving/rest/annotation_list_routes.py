"""The routes of work lists: raters see their own, administrators make, follow and close them."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from serving.annotations.archive import Bounds
from serving.annotations.beside import remarks
from serving.annotations.desk import Desk
from serving.annotations.records import WorkList
from serving.annotations.seat import Seat
from serving.annotations.upload import Upload, read_upload
from serving.core.requests import BASE, check_adapters
from serving.preparing import Preparing
from serving.rest.annotation_callers import Administrator, Person, Reader
from serving.rest.annotation_list_bodies import (
    ActReply,
    CaseReply,
    ListReply,
    MineReply,
    ProblemReply,
    ProgressReply,
    RaterReply,
)
from serving.rest.annotation_list_samples import ACTS, CASES, LIST, LISTS, RATERS
from serving.rest.annotation_pictures import Opened
from serving.rest.annotation_routes import RATING, CaseId, ListId
from serving.rest.bodies import EXAMPLE, bounded, content_type
from serving.rest.documents import error_replies
from serving.service import Service
from zoo.errors import BadInput, Busy
from zoo.images import Limits

MOST_ACTS = 500
_ALWAYS = error_replies()
_FINDING = error_replies(404, 409, 422)
_MAKING = error_replies(400, 404, 409, 422, 502, 504)
ARCHIVE: dict[str, Any] = {
    "application/zip": {"schema": {"type": "string", "format": "binary"}, "example": "(ZIP)"}
}
_REPEATS = (
    "Some cases show and ask the same as others, on purpose: their raters rate them each time, and see no "
    "names before the last. Without it they are refused, by their ids."
)
Names = Annotated[str, Query(max_length=2000, description="Separated by commas.")]


def annotation_list_routes(
    preparing: Preparing, opened: Opened, service: Service, *, limits: Limits, max_bytes: int
) -> APIRouter:
    """The routes of the work lists whose answers `preparing` makes by `service`; images are within `limits`,
    and an archive has at most `max_bytes`."""
    desk = preparing.desk
    bounds = Bounds(max_bytes=max_bytes, max_unpacked=2 * max_bytes, max_file=limits.max_bytes)
    reading = threading.Lock()
    router = APIRouter(prefix=RATING, tags=["work lists"])

    @router.get("/raters", responses={**_ALWAYS, 200: {"content": RATERS}})
    def raters(person: Administrator) -> list[RaterReply]:
        """Everyone who has an account."""
        return [
            RaterReply(name=one.name, role=one.role, closed=one.closed_at is not None)
            for one in desk.accounts.all()
        ]

    @router.get("/lists", responses={**_ALWAYS, 200: {"content": LISTS}})
    def lists(person: Reader) -> list[ListReply]:
        """An administrator is told of all, a rater of those with cases of theirs; the newest first."""
        found = [list_reply(desk, one, person) for one in desk.lists.all()]
        return [one for one in found if person.is_administrator or one.mine is not None]

    @router.get("/lists/{id}/cases", responses={**_FINDING, 200: {"content": CASES}})
    def cases(id: ListId, person: Reader) -> list[CaseReply]:
        """A rater's own cases of a list, all of them for an administrator; in the list's order."""
        if person.is_administrator:
            return _all_cases(desk, id)
        return [
            CaseReply(case=one.case.id, number=one.number, done=one.done, opened=one.opened)
            for one in Seat(desk, person.name).cases(id)
            if person.account  # a key may be called as somebody is
        ]

    @router.post(
        "/lists",
        status_code=201,
        response_model=ListReply,
        responses={**_MAKING, 201: {"content": LIST}},
        openapi_extra={"requestBody": {"required": True, "content": ARCHIVE}},
    )
    async def make(
        request: Request,
        person: Administrator,
        title: Annotated[str, Query(min_length=1, max_length=200, examples=["Chest, November"])],
        raters: Names,
        adapters: Names = "",
        overlap: Annotated[int, Query(ge=1, le=100, description="How many rate each case.")] = 1,
        keep: Annotated[bool, Query(description="Keep what it shows when it is closed.")] = False,
        instructions: Annotated[str, Query(max_length=2000)] = "",
        repeats: Annotated[bool, Query(description=_REPEATS)] = False,
    ) -> ListReply:
        """Make a work list of a ZIP archive: `cases.csv` (columns images, question, and if wanted reference,
        modality, id) or `questions.jsonl`, and the images. The list opens once every case has its answers;
        at once if `predictions.jsonl` holds them, whose adapters are then rated."""
        if content_type(request) != "application/zip":
            raise BadInput("the body is one ZIP archive, of the content type application/zip", hint=EXAMPLE)
        if not reading.acquire(blocking=False):
            raise Busy("another archive is being read")
        try:
            data = b"".join([chunk async for chunk in bounded(request, max_bytes)])
            upload = await run_in_threadpool(read_upload, data, limits=limits, bounds=bounds, repeats=repeats)
        finally:
            reading.release()
        named = tuple(_words(adapters))
        variants = {BASE: BASE} if BASE in named else {}
        if not upload.answers:
            named = check_adapters(list(named), most=service.max_adapters)
            for name in named:
                if name != BASE:
                    variants[name] = (await service.find(name)).variant
            _check_pictures(upload, most=service.base.max_images)
        elif named and {*named} != {*upload.adapters}:
            raise BadInput(
                f"the archive has answers of {', '.join(upload.adapters)}",
                hint="name no others",
                param="adapters",
            )
        made = await run_in_threadpool(
            desk.lists.add,
            title,
            upload.cases,
            adapters=upload.adapters or named,
            raters=_words(raters),
            overlap=overlap,
            made_by=person.name,
            instructions=instructions,
            keep=keep,
            said=upload.answers,
        )
        await run_in_threadpool(desk.acts.add, person.name, "made list", made.id)
        preparing.wake()
        return await run_in_threadpool(list_reply, desk, made, person, variants=variants)

    @router.post("/lists/{id}/retry", responses={**_FINDING, 200: {"content": LIST}})
    def retry(id: ListId, person: Administrator) -> ListReply:
        """Try again to make the answers of the cases that have a problem."""
        ours = desk.lists.get(id)
        for case in desk.lists.cases(id):
            if case.problem:
                desk.lists.put_problem(case.id, "")
        desk.acts.add(person.name, "retried list", id)
        preparing.wake()
        return list_reply(desk, ours, person)

    @router.delete("/cases/{id}", responses={**_FINDING, 200: {"content": LIST}})
    def drop(id: CaseId, person: Administrator) -> ListReply:
        """Take a case without answers out of a list in preparation, which opens if the others have theirs."""
        case = desk.lists.case(id)
        desk.lists.drop(id)
        opened.forget()
        desk.acts.add(person.name, "dropped case", f"{case.work_list}/{case.number}")
        return list_reply(desk, desk.lists.get(case.work_list), person)

    @router.post("/lists/{id}/close", responses={**_FINDING, 200: {"content": LIST}})
    def close(id: ListId, person: Administrator) -> ListReply:
        """End a list: no more ratings. Pictures, questions, references and answers are erased unless it was
        made to keep them."""
        closed = desk.lists.close(id)
        opened.forget()
        desk.acts.add(person.name, "closed list", id)
        return list_reply(desk, closed, person)

    @router.get("/acts", responses={**_ALWAYS, 200: {"content": ACTS}})
    def acts(person: Administrator) -> list[ActReply]:
        """Who did what to which list or account, the newest first; never a word of a case."""
        newest = desk.acts.newest(MOST_ACTS)
        return [ActReply(made_at=one.made_at, who=one.who, act=one.act, what=one.what) for one in newest]

    return router


def _words(written: str) -> list[str]:
    return [word.strip() for word in written.split(",") if word.strip()]


def _check_pictures(upload: Upload, *, most: int) -> None:
    for case in upload.cases:
        if len(case.pictures) > most:
            raise BadInput(
                f"the case {case.question_id!r} has {len(case.pictures)} images, the base takes {most}",
                hint="ask about each by itself",
            )


def list_reply(
    desk: Desk, one: WorkList, person: Person, *, variants: Mapping[str, str] | None = None
) -> ListReply:
    """A list as this person may see it; `variants` of its adapters where it has no answers yet."""
    told = person.is_administrator
    cases = desk.lists.cases(one.id)
    progress = desk.lists.progress(one.id)
    mine = next((it for it in progress if person.account and it.rater == person.name), None)
    return ListReply(
        id=one.id,
        title=one.title,
        instructions=one.instructions,
        state=one.state,
        adapters=list(one.adapters) if told else [],
        overlap=one.overlap,
        keep=one.keep,
        made_at=one.made_at,
        closed_at=one.closed_at,
        cases=len(cases),
        mine=MineReply(assigned=mine.assigned, done=mine.done) if mine else None,
        raters=[ProgressReply(**vars(it)) for it in progress] if told else [],
        answered=desk.lists.answered(one.id),
        problems=[
            ProblemReply(case=case.id, number=case.number, problem=case.problem)
            for case in cases
            if told and case.problem
        ],
        repeats=len(cases) - len({case.case_sha256 for case in cases}) if told else 0,
        remarks=list(remarks(desk.lists.variants(one.id) or variants or {})) if told else [],
    )


def _all_cases(desk: Desk, work_list: str) -> list[CaseReply]:
    overlap, marks = desk.lists.get(work_list).overlap, desk.clicks.marks(work_list)
    opened = Counter(case for case, _ in marks)
    done = Counter(case for (case, _), set_ in marks.items() if "done" in set_)
    return [
        CaseReply(
            case=case.id,
            number=case.number,
            done=done[case.id] >= overlap,
            opened=opened[case.id] > 0,
            raters_done=done[case.id],
        )
        for case in desk.lists.cases(work_list)
    ]
