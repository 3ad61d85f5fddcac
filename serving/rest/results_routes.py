"""The routes of the results of a list, or of several together: figures as JSON, pictures as SVG, made in
memory.

An administrator sees them at any time; a rater once all cases of their own are done, so that nobody rates
with them in view. Raters stand there by their pseudonyms.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from serving.annotations.desk import Desk
from serving.annotations.outcome import Outcome, outcome
from serving.annotations.records import Case, WorkList
from serving.annotations.results import ratings_by_list
from serving.rest.annotation_callers import Person, Reader
from serving.rest.annotation_routes import RATING, ListId
from serving.rest.documents import error_replies
from serving.rest.results_bodies import PLOTS, Plot, PooledList, RaterProgress, ResultsReply
from serving.rest.results_samples import PICTURE, RESULTS
from zoo.errors import BadInput, Busy, NotAllowed
from zoo.evaluation.rated_cases import in_several, pool
from zoo.records import ErrorType, Rating

Modality = Annotated[str, Query(max_length=64, description="Of this modality's cases alone.")]
Tagged = Annotated[ErrorType | None, Query(description="Of the cases alone that are tagged with this type.")]
Also = Annotated[
    list[ListId] | None,
    Query(
        max_length=50,
        description="Further lists whose ratings are pooled with this one's: of the same base, and of the "
        "same weights where adapters are called the same, or it is refused. A case that is in several counts "
        "once, a rater is one person, and whoever rated a case twice counts with what they said first.",
    ),
]
Dark = Annotated[bool, Query(description="To be read on a dark ground. The picture itself has none.")]
_RESPONSES = error_replies(404, 409, 422)
MOST = 8
"""Results that are worked out or wait for it: clicks need the rest of the server's threads."""
_ROOM = threading.BoundedSemaphore(MOST)
_ONE_AT_A_TIME = threading.Lock()
"""Whoever waits finds what the one before them worked out; and matplotlib keeps state that threads share."""


def results_routes(desk: Desk) -> APIRouter:
    """The routes of one desk's results."""
    router = APIRouter(prefix=RATING, tags=["results"])

    @router.get("/lists/{id}/results", responses={**_RESPONSES, 200: {"content": RESULTS}})
    def results(
        id: ListId,
        person: Reader,
        also: Also = None,
        modality: Modality = "",
        error_type: Tagged = None,
    ) -> ResultsReply:
        """Severity shares, win rates, Bradley-Terry strengths and the raters' agreement, with 95 % intervals
        over pictures, or cases where pictures are not known: `drawn` says of how many."""
        lists = _seen(desk, [id, *(also or ())], person)
        by_list = {one.id: desk.lists.cases(one.id) for one in lists}
        cases = [case for of in by_list.values() for case in of]
        with _turn():
            ratings, shared = _ratings(desk, lists, modality, error_type)
            found = outcome(ratings)
        return ResultsReply(
            id=id,
            title=lists[0].title,
            state=lists[0].state,
            cases=len(cases),
            pooled=[PooledList(id=one.id, title=one.title, cases=len(by_list[one.id])) for one in lists],
            in_several=shared,
            progress=_progress(desk, lists),
            modalities=sorted({case.modality for case in cases if case.modality}),
            error_types=sorted({kind for case in cases for kind in case.error_types}),
            plots=[plot for plot in PLOTS if _is_drawn(found, plot)],
            outcome=found,
        )

    @router.get(
        "/lists/{id}/results/{plot}.svg",
        response_class=Response,
        responses={**_RESPONSES, 200: {"content": PICTURE}},
    )
    def picture(
        id: ListId,
        plot: Plot,
        person: Reader,
        also: Also = None,
        modality: Modality = "",
        error_type: Tagged = None,
        dark: Dark = False,
    ) -> Response:
        """The same as a picture: strengths, severity or wins."""
        lists = _seen(desk, [id, *(also or ())], person)
        with _turn():
            found = outcome(_ratings(desk, lists, modality, error_type)[0])
            if not _is_drawn(found, plot):
                raise BadInput(f"no rating says anything of {plot} yet", hint="come back when cases are done")
            drawn = _svg(found, plot, dark=dark)
        return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})

    return router


@contextmanager
def _turn() -> Iterator[None]:
    """One at a time; raises Busy where too many wait."""
    if not _ROOM.acquire(blocking=False):
        raise Busy("results are being worked out for others", after_s=5)
    try:
        with _ONE_AT_A_TIME:
            yield
    finally:
        _ROOM.release()


def _seen(desk: Desk, asked: Sequence[str], person: Person) -> list[WorkList]:
    """The lists, each once. Raises NotAllowed for a rater who has cases left in one, or has none there."""
    lists = [desk.lists.get(one) for one in dict.fromkeys(asked)]
    for work_list in () if person.is_administrator else lists:
        told = desk.lists.progress(work_list.id)
        own = [one for one in told if person.account and one.rater == person.name]
        if not own or own[0].done < own[0].assigned:
            raise NotAllowed(
                f"results of {work_list.title!r} are shown to a rater once all of their cases are done",
                hint="go on at /rate",
            )
    return lists


def _progress(desk: Desk, lists: Sequence[WorkList]) -> list[RaterProgress]:
    """By pseudonym, how far each rater is in all of the lists."""
    names = {one.name: one.pseudonym for one in desk.accounts.all()}
    assigned, done = Counter[str](), Counter[str]()
    for work_list in lists:
        for one in desk.lists.progress(work_list.id):
            assigned[names[one.rater]] += one.assigned
            done[names[one.rater]] += one.done
    return [RaterProgress(rater=name, assigned=assigned[name], done=done[name]) for name in sorted(assigned)]


def _ratings(
    desk: Desk, lists: Sequence[WorkList], modality: str, error_type: ErrorType | None
) -> tuple[tuple[Rating, ...], int]:
    """The lists' ratings of the cases asked for, pooled, and how many of these are in several lists."""
    cases = [case for one in lists for case in desk.lists.cases(one.id)]
    if modality and modality not in {case.modality for case in cases}:
        raise BadInput(f"no case has the modality {modality!r}", param="modality")
    kept = {
        _key(case)
        for case in cases
        if modality in ("", case.modality) and (error_type is None or error_type in case.error_types)
    }
    by_list = ratings_by_list(desk, [one.id for one in lists])
    wanted = {name: [r for r in of if _key(r) in kept] for name, of in by_list.items()}
    pool(by_list)  # what is refused is refused by any filter
    return tuple(r for of in wanted.values() for r in of), in_several(wanted)


def _key(of: Case | Rating) -> tuple[str, str, str, str]:
    return of.case_sha256, of.dataset, of.split, of.question_id


def _is_drawn(found: Outcome, plot: Plot) -> bool:
    return any(one.shares for one in found.adapters) if plot == "severity" else bool(found.pairs)


def _svg(found: Outcome, plot: Plot, *, dark: bool) -> bytes:
    from zoo.evaluation.report.preferred import severity_figure, strengths_figure, wins_figure
    from zoo.figures import as_svg

    if plot == "strengths":
        figure = strengths_figure({one.reference: one.strengths for one in found.against})
    elif plot == "severity":
        figure = severity_figure({one.adapter: one.shares for one in found.adapters})
    else:
        ranked = {name for pair in found.pairs for name in (pair.first, pair.second)}
        figure = wins_figure(found.pairs, [one.adapter for one in found.adapters if one.adapter in ranked])
    return as_svg(figure, dark=dark)
