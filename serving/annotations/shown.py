"""What raters saw of a list, as the zoo's records: questions, answers and pictures. It knows no ratings.

Pictures are named by their pixels, so that the same one in two cases is one and no file's name comes out.
"""

import io
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from serving.annotations.desk import Desk
from serving.annotations.records import Case, CaseAnswer
from zoo.evaluation.pictures import pixels_digest
from zoo.images import Limits, decode
from zoo.records import BASE, Prediction, Question

_NAMED = 16
"""Hex digits of a picture's digest that its name has."""
_SEEN_BEFORE = Limits(max_bytes=sys.maxsize, max_pixels=sys.maxsize, max_frames=sys.maxsize)
"""The operator's own limits were kept when the picture was uploaded."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The cases of a list, in order. All empty once they are erased."""

    questions: tuple[Question, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """PNG files by the names that questions and answers call them by."""


def is_erased(desk: Desk, work_list: str) -> bool:
    """Whether a list's pictures and texts are gone."""
    found = desk.lists.get(work_list)
    return found.state == "closed" and not found.keep


def shown(desk: Desk, work_list: str, *, only: Collection[tuple[str, str, str]]) -> Shown:
    """What was shown of those cases, by data set, split and id of their questions: pictures as the models saw
    them."""
    if is_erased(desk, work_list):
        return Shown()
    answers = desk.lists.answers_of_list(work_list)
    questions: list[Question] = []
    predictions: list[Prediction] = []
    pictures: dict[str, bytes] = {}
    for case in desk.lists.cases(work_list):
        if (case.dataset, case.split, case.question_id) not in only:
            continue
        digests = []
        for number in range(case.pictures):
            image = decode(desk.lists.picture(case.id, number), limits=_SEEN_BEFORE)
            digests.append(pixels_digest(image))
            png = io.BytesIO()
            image.save(png, format="PNG")
            pictures[_name(digests[-1])] = png.getvalue()
        question = _question(case, tuple(map(_name, digests)))
        questions.append(question)
        predictions += [_prediction(question, one, tuple(digests)) for one in answers.get(case.id, ())]
    return Shown(questions=tuple(questions), predictions=tuple(predictions), pictures=pictures)


def _name(digest: str) -> str:
    return f"images/{digest[:_NAMED]}.png"


def _question(case: Case, images: tuple[str, ...]) -> Question:
    return Question(
        id=case.question_id,
        dataset=case.dataset,
        split=case.split,
        images=images,
        prompt=case.prompt,
        answer=case.reference,
        answer_type=case.answer_type,
        question_type=case.question_type,
        options=case.options,
        error_types=case.error_types,
    )


def _prediction(question: Question, said: CaseAnswer, digests: tuple[str, ...]) -> Prediction:
    return Prediction.to(
        question,
        base=said.base,
        adapter=said.adapter,
        variant=said.variant or BASE,
        digest=said.digest,
        answer=said.text,
        tokens=said.tokens,
        finish=said.finish,
        seed=said.seed,
        shown_digests=digests,
    )
