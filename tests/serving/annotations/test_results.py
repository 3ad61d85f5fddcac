"""A list's ratings as records: what was said blind, of finished cases, by pseudonym."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.annotations.desk import Desk
from serving.annotations.records import CaseAnswer, Click, NewCase
from serving.annotations.results import ratings_of
from serving.annotations.upload import read_upload
from tests.serving.rest._rating import archive, picture
from zoo.errors import UnknownName
from zoo.evaluation.pictures import pixels_digest
from zoo.images import Limits, decode
from zoo.records import Rating


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(str(tmp_path / "ratings.db"))
    yield opened
    opened.close()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def answer(adapter: str, text: str) -> CaseAnswer:
    return CaseAnswer(
        adapter=adapter,
        variant=adapter,
        repo="" if adapter == "base" else f"local/{adapter}",
        sha="",
        digest="" if adapter == "base" else sha(adapter),
        base="phantom@1",
        text=text,
        answer_sha256=sha(text),
        finish="stop",
        tokens=3,
    )


def case(number: int) -> NewCase:
    return NewCase(
        question_id=f"q/{number}",
        dataset="ward",
        split="list",
        prompt="What is shown?",
        pictures=(b"picture",),
        case_sha256=sha(f"case {number}"),
        pictures_sha256=sha("picture"),
        modality="CT",
    )


def open_list(desk: Desk, *, raters: tuple[str, ...] = ("anna", "ben"), cases: int = 2) -> str:
    for name in raters:
        desk.accounts.add(name, "rater", "a long enough password")
    made = desk.lists.add(
        "Chest",
        [case(n) for n in range(1, cases + 1)],
        adapters=["base", "sft", "mdpo"],
        raters=raters,
        overlap=len(raters),
        made_by="admin",
    )
    for one in desk.lists.cases(made.id):
        desk.lists.put_answers(one.id, [answer("base", "A"), answer("sft", "B"), answer("mdpo", "B")])
    return made.id


def say(desk: Desk, case: int, rater: str, sets: Any, value: Any, of: str = "", blind: bool = True) -> None:
    click = Click(
        uid=str(uuid.uuid4()),
        rater=rater,
        case=case,
        answer_sha256=sha(of) if of else "",
        sets=sets,
        value=json.dumps(value),
        blind=blind,
    )
    assert desk.clicks.add(click)


def test_a_finished_case_is_one_rating_an_adapter_and_the_same_words_have_the_same(desk: Desk) -> None:
    work_list = open_list(desk)
    first = desk.lists.cases(work_list)[0].id
    say(desk, first, "anna", "severity", "severe", "A")
    say(desk, first, "anna", "errors", ["LAS", "MM"], "A")
    say(desk, first, "anna", "rank", 2, "A")
    say(desk, first, "anna", "severity", "none", "B")
    say(desk, first, "anna", "rank", 1, "B")
    say(desk, first, "anna", "comment", "well seen", "B")
    assert ratings_of(desk, work_list) == []
    say(desk, first, "anna", "done", True)
    found = ratings_of(desk, work_list)
    common: dict[str, Any] = {
        "question_id": "q/1",
        "dataset": "ward",
        "split": "list",
        "rater": desk.accounts.get("anna").pseudonym,
        "modality": "CT",
        "base": "phantom@1",
        "case_sha256": sha("case 1"),
        "pictures_sha256": sha("picture"),
        "made_at": found[0].made_at,
    }
    bad: dict[str, Any] = {"misunderstanding": "severe", "error_types": ("MM", "LAS"), "rank": 2}
    good: dict[str, Any] = {"misunderstanding": "none", "rank": 1, "comment": "well seen"}
    assert found == [
        Rating(**common, **bad, adapter="base", variant="base", answer_sha256=sha("A")),
        Rating(**common, **good, adapter="sft", variant="sft", digest=sha("sft"), answer_sha256=sha("B")),
        Rating(**common, **good, adapter="mdpo", variant="mdpo", digest=sha("mdpo"), answer_sha256=sha("B")),
    ]
    assert "anna" not in found[0].rater
    assert found[0].made_at > "2020"


def test_what_was_changed_after_the_names_were_seen_is_no_blind_rating(desk: Desk) -> None:
    work_list = open_list(desk, raters=("anna",), cases=1)
    only = desk.lists.cases(work_list)[0].id
    say(desk, only, "anna", "severity", "cannot judge", "A")
    say(desk, only, "anna", "severity", "minor", "B")
    say(desk, only, "anna", "rank", 1, "B")
    say(desk, only, "anna", "done", True)
    say(desk, only, "anna", "severity", "severe", "B", blind=False)
    found = {one.adapter: (one.misunderstanding, one.rank) for one in ratings_of(desk, work_list)}
    assert found == {"base": (None, None), "sft": ("minor", 1), "mdpo": ("minor", 1)}


def test_who_cannot_judge_an_answer_after_all_has_neither_ranked_it_nor_seen_errors(desk: Desk) -> None:
    work_list = open_list(desk, raters=("anna",), cases=1)
    only = desk.lists.cases(work_list)[0].id
    for sets, value in {"severity": "severe", "errors": ["MM"], "rank": 1, "comment": "too dark"}.items():
        say(desk, only, "anna", sets, value, "A")
    say(desk, only, "anna", "severity", "cannot judge", "A")
    say(desk, only, "anna", "severity", "minor", "B")
    say(desk, only, "anna", "rank", 2, "B")
    say(desk, only, "anna", "done", True)
    base, sft, _ = ratings_of(desk, work_list)
    assert (base.misunderstanding, base.error_types, base.rank, base.comment) == (None, (), None, "too dark")
    assert (sft.misunderstanding, sft.rank) == ("minor", 2)


def test_ratings_outlive_the_closing_of_their_list(desk: Desk) -> None:
    work_list = open_list(desk, raters=("anna",), cases=1)
    only = desk.lists.cases(work_list)[0].id
    say(desk, only, "anna", "severity", "minor", "B")
    say(desk, only, "anna", "done", True)
    before = ratings_of(desk, work_list)
    desk.lists.close(work_list)
    assert ratings_of(desk, work_list) == before
    assert [one.adapter for one in before] == ["sft", "mdpo"]


def test_questions_about_one_picture_are_drawn_together_from_the_upload_on() -> None:
    rows = "images,question\na.png,What?\na.png,Where?\nb.png,What?\n"
    packed = archive({"cases.csv": rows, "a.png": picture(1), "b.png": picture(2)})
    one, two, other = read_upload(packed, limits=Limits()).cases
    assert one.pictures_sha256 == two.pictures_sha256 != other.pictures_sha256
    assert len({case.case_sha256 for case in (one, two, other)}) == 3
    assert one.pictures_sha256 == sha(pixels_digest(decode(picture(1))))


def test_a_list_that_is_not_there_is_an_error(desk: Desk) -> None:
    with pytest.raises(UnknownName):
        ratings_of(desk, "nothing")
