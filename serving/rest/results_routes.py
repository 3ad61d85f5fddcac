"""The routes of a list's results: figures as JSON, pictures as SVG, made in memory.

An administrator sees them at any time; a rater once all cases of their own are done, so that nobody rates
with them in view. Raters stand there by their pseudonyms.
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from serving.annotations.desk import Desk
from serving.annotations.outcome import Outcome, outcome
from serving.annotations.results import ratings_of
from serving.rest.annotation_callers import Person, Reader
from serving.rest.annotation_routes import RATING, ListId
from serving.rest.documents import error_replies
from serving.rest.results_bodies import PLOTS, Plot, RaterProgress, ResultsReply
from serving.rest.results_samples import PICTURE, RESULTS
from zoo.errors import BadInput, Busy, NotAllowed
from zoo.records import ErrorType, Rating

Modality = Annotated[str, Query(max_length=64, description="Of this modality's cases alone.")]
Tagged = Annotated[ErrorType | None, Query(description="Of the cases alone that are tagged with this type.")]
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
        id: ListId, person: Reader, modality: Modality = "", error_type: Tagged = None
    ) -> ResultsReply:
        """Severity shares, win rates, Bradley-Terry strengths and the raters' agreement, with 95 % intervals
        over questions."""
        _check(desk, id, person)
        work_list, cases = desk.lists.get(id), desk.lists.cases(id)
        with _turn():
            found = outcome(_ratings(desk, id, modality, error_type))
        names = {one.name: one.pseudonym for one in desk.accounts.all()}
        progress = [
            RaterProgress(rater=names[one.rater], assigned=one.assigned, done=one.done)
            for one in desk.lists.progress(id)
        ]
        return ResultsReply(
            id=id,
            title=work_list.title,
            state=work_list.state,
            cases=len(cases),
            progress=sorted(progress, key=lambda one: one.rater),
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
        id: ListId, plot: Plot, person: Reader, modality: Modality = "", error_type: Tagged = None
    ) -> Response:
        """The same as a picture: strengths, severity or wins."""
        _check(desk, id, person)
        with _turn():
            found = outcome(_ratings(desk, id, modality, error_type))
            if not _is_drawn(found, plot):
                raise BadInput(f"no rating says anything of {plot} yet", hint="come back when cases are done")
            drawn = _svg(found, plot)
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


def _check(desk: Desk, work_list: str, person: Person) -> None:
    """Raises NotAllowed for a rater who has cases left, or has none."""
    desk.lists.get(work_list)
    if person.is_administrator:
        return
    own = [one for one in desk.lists.progress(work_list) if person.account and one.rater == person.name]
    if not own or own[0].done < own[0].assigned:
        raise NotAllowed(
            "results are shown to a rater once all of their cases are done", hint="go on at /rate"
        )


def _ratings(desk: Desk, work_list: str, modality: str, error_type: ErrorType | None) -> tuple[Rating, ...]:
    """The list's ratings of the cases asked for."""
    cases = desk.lists.cases(work_list)
    if modality and modality not in {case.modality for case in cases}:
        raise BadInput(f"no case of this list has the modality {modality!r}", param="modality")
    kept = {
        (case.dataset, case.split, case.question_id)
        for case in cases
        if modality in ("", case.modality) and (error_type is None or error_type in case.error_types)
    }
    ratings = ratings_of(desk, work_list)
    return tuple(r for r in ratings if (r.dataset, r.split, r.question_id) in kept)


def _is_drawn(found: Outcome, plot: Plot) -> bool:
    return any(one.shares for one in found.adapters) if plot == "severity" else bool(found.pairs)


def _svg(found: Outcome, plot: Plot) -> bytes:
    from zoo.evaluation.report.preferred import severity_figure, strengths_figure, wins_figure

    if plot == "strengths":
        figure = strengths_figure({one.reference: one.strengths for one in found.against})
    elif plot == "severity":
        figure = severity_figure({one.adapter: one.shares for one in found.adapters})
    else:
        ranked = {name for pair in found.pairs for name in (pair.first, pair.second)}
        figure = wins_figure(found.pairs, [one.adapter for one in found.adapters if one.adapter in ranked])
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
