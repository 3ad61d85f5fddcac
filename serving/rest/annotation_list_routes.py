"""The routes of work lists: raters see their own, administrators make, follow and close them."""

from typing import Annotated

from fastapi import APIRouter, Path

from serving.annotations.desk import Desk
from serving.annotations.records import WorkList
from serving.annotations.seat import Seat
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
from serving.rest.annotation_routes import RATING
from serving.rest.documents import error_replies

MOST_ACTS = 500
_ALWAYS = error_replies()
_FINDING = error_replies(404, 409, 422)
ListId = Annotated[str, Path(pattern="^[0-9a-f]{1,16}$", examples=["5f0c1d7e"])]


def annotation_list_routes(desk: Desk, opened: Opened) -> APIRouter:
    """The routes of one desk's work lists."""
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
        ]

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
        newest = desk.acts.all()[: -MOST_ACTS - 1 : -1]
        return [ActReply(made_at=one.made_at, who=one.who, act=one.act, what=one.what) for one in newest]

    return router


def list_reply(desk: Desk, one: WorkList, person: Person) -> ListReply:
    """A list as this person may see it."""
    told = person.is_administrator
    cases = desk.lists.cases(one.id)
    unanswered = {case.id for case in desk.lists.unanswered()} if one.state == "preparing" else set()
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
        answered=sum(case.id not in unanswered for case in cases),
        problems=[
            ProblemReply(case=case.id, number=case.number, problem=case.problem)
            for case in cases
            if told and case.problem
        ],
    )


def _all_cases(desk: Desk, work_list: str) -> list[CaseReply]:
    desk.lists.get(work_list)
    overlap, marks = desk.lists.get(work_list).overlap, desk.clicks.marks(work_list)
    found = []
    for case in desk.lists.cases(work_list):
        ours = [set_ for (number, _), set_ in marks.items() if number == case.id]
        done = sum("done" in set_ for set_ in ours)
        found.append(
            CaseReply(
                case=case.id,
                number=case.number,
                done=done >= overlap,
                opened=bool(ours),
                raters_done=done,
            )
        )
    return found
