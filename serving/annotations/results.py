"""A list's finished ratings as records, raters by their pseudonyms; and those of several lists. It knows no
statistics.

A case counts for a rater once they are done with it, with what they had said by then: what they changed after
they had seen the names is kept as a correction and is no blind rating. Who cannot judge an answer says
nothing else of it: a rank or error types from before they said so do not count.
"""

from collections.abc import Sequence

from serving.annotations.clicks import CaseState, fold
from serving.annotations.desk import Desk
from serving.annotations.records import Case, CaseAnswer
from zoo.evaluation.rated import ERROR_TYPES
from zoo.records import Rating


def ratings_of(desk: Desk, work_list: str) -> list[Rating]:
    """One rating for each finished case, rater and adapter, in the order of cases, pseudonyms and the
    list's adapters. An answer of which a rater said nothing has none.

    Raises:
        UnknownName: there is no such list.
    """
    desk.lists.get(work_list)
    pseudonyms = {one.name: one.pseudonym for one in desk.accounts.all()}
    cases = {case.id: case for case in desk.lists.cases(work_list)}
    answers = desk.lists.answers_of_list(work_list)
    said = desk.clicks.of_list(work_list)
    found: list[Rating] = []
    for case, rater in sorted(said, key=lambda one: (cases[one[0]].number, pseudonyms[one[1]])):
        state = fold(said[case, rater], blind_only=True)
        found += _ratings(cases[case], answers[case], state, pseudonyms[rater])
    return found


def ratings_by_list(desk: Desk, work_lists: Sequence[str]) -> dict[str, list[Rating]]:
    """The same of several lists, each by its title and id, ready to be pooled (`zoo.evaluation.rated_cases`).

    Raises:
        UnknownName: there is no such list.
    """
    return {
        f"{desk.lists.get(one).title} ({one})": ratings_of(desk, one) for one in dict.fromkeys(work_lists)
    }


def _ratings(case: Case, answers: list[CaseAnswer], state: CaseState, rater: str) -> list[Rating]:
    """What one rater says of one case; answers of the same words get the same rating."""
    if state.done_at is None:
        return []
    found = []
    for answer in answers:
        said = state.answers.get(answer.answer_sha256)
        if said is None or said.severity is None:
            continue
        severity = None if said.severity == "cannot judge" else said.severity
        rating = Rating(
            question_id=case.question_id,
            dataset=case.dataset,
            split=case.split,
            adapter=answer.adapter,
            answer_sha256=answer.answer_sha256,
            rater=rater,
            misunderstanding=severity,
            error_types=tuple(kind for kind in ERROR_TYPES if severity and kind in said.errors),
            rank=said.rank if severity else None,
            modality=case.modality,
            variant=answer.variant,
            digest=answer.digest,
            base=answer.base,
            case_sha256=case.case_sha256,
            pictures_sha256=case.pictures_sha256,
            made_at=state.done_at,
            comment=said.comment,
        )
        found.append(rating)
    return found
