"""A list of phantom cases that two raters have rated, on a database of its own."""

import hashlib
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.annotations.desk import Desk
from serving.annotations.records import CaseAnswer, Click, NewCase, WorkList
from zoo.bases import get_base
from zoo.datasets import load_questions

RATERS = ("anna.planted", "ben.planted")
PASSWORD = "four words to keep"
Said = Mapping[str, tuple[str, int | None]]
"""What a rater says of a case: by adapter the severity and the rank."""


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rated_list(
    where: Path,
    said: Sequence[Sequence[Said]],
    *,
    keep: bool = False,
    dataset: str = "phantom",
    answers: Mapping[str, str] | None = None,
) -> tuple[Desk, WorkList]:
    """A list with a case for each item of `said`, which holds what each rater says of it.

    The adapter `good` says the truth, `bad` what comes with the data set as false, and `base` that it cannot
    tell; `answers` says otherwise.
    """
    desk = Desk(str(where))
    for name in RATERS:
        desk.accounts.add(name, "rater", PASSWORD)
    asked = load_questions("phantom", "train", limit=len(said))
    cases = []
    for question in asked.questions:
        png = io.BytesIO()
        asked.open_image(question.images[0]).save(png, format="PNG")
        cases.append(
            NewCase(
                question_id=question.id,
                dataset=dataset,
                split="train",
                prompt=question.prompt,
                pictures=(png.getvalue(),),
                case_sha256=sha(question.id),
                reference=question.answer,
                answer_type=question.answer_type,
                options=question.options,
                question_type=question.question_type,
                error_types=question.error_types,
                modality="CT",
            )
        )
    made = desk.lists.add(
        "A planted title",
        cases,
        adapters=("base", "good", "bad"),
        raters=RATERS,
        overlap=2,
        made_by="chief.planted",
        keep=keep,
    )
    texts = {}
    for case, question in zip(desk.lists.cases(made.id), asked.questions, strict=True):
        of_case = {
            "base": "I cannot tell.",
            "good": question.answer,
            "bad": asked.given[question.id].rejected,
        }
        texts[case.id] = of_case | dict(answers or {})
        desk.lists.put_answers(case.id, [answer(name, text) for name, text in texts[case.id].items()])
    for case, of_raters in zip(desk.lists.cases(made.id), said, strict=True):
        for rater, words in zip(RATERS, of_raters, strict=True):
            rate(desk, case.id, rater, texts[case.id], words)
    return desk, desk.lists.get(made.id)


def answer(name: str, text: str) -> CaseAnswer:
    is_base = name == "base"
    return CaseAnswer(
        adapter=name,
        variant=name,
        repo=get_base("phantom").repo if is_base else f"local/{name}",
        sha="b" * 40,
        digest="" if is_base else sha(name),
        base=get_base("phantom").pinned,
        text=text,
        answer_sha256=sha(text),
        finish="stop",
        tokens=3,
    )


def rate(desk: Desk, case: int, rater: str, texts: Mapping[str, str], words: Said) -> None:
    """Click all of it, then `done`; nothing where nothing is said."""

    def click(sets: Any, value: object, sha256: str = "") -> None:
        uid = str(uuid.uuid4())
        desk.clicks.add(
            Click(uid=uid, rater=rater, case=case, answer_sha256=sha256, sets=sets, value=json.dumps(value))
        )

    for adapter, (severity, rank) in words.items():
        of = sha(texts[adapter])
        click("severity", severity, of)
        if severity == "severe":
            click("errors", ["AM", "MM"], of)
        if rank is not None:
            click("rank", rank, of)
        click("comment", f"=planted comment of {rater}", of)
    if words:
        click("done", True)
