"""Clicks: kept once, by whom and when they may be, and what they come to."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from serving.annotations.clicks import AnswerState, CaseState, add_click, fold
from serving.annotations.desk import Desk
from serving.annotations.records import Click
from tests.serving.annotations._store import add_list, add_raters, click, said, sha256_of
from zoo.errors import BadInput, NotAllowed, NotOpen


@pytest.fixture
def case(desk: Desk) -> int:
    """A case that anna and ben rate; carl has another list's."""
    add_raters(desk, "anna", "ben", "carl")
    add_list(desk, "carl", overlap=1)
    return desk.lists.cases(add_list(desk, "anna", "ben").id)[0].id


def test_a_click_that_is_sent_again_counts_once(desk: Desk, case: int) -> None:
    one = click("anna", case, "severity", "minor", adapter="mdpo")
    assert [desk.clicks.add(one) for _ in range(3)] == [True, False, False]
    assert said(desk.clicks, case, "anna") == [("severity", '"minor"', True)]


def test_a_click_that_two_servers_get_at_once_counts_once(desk: Desk, where: str, case: int) -> None:
    other = Desk(where)
    clicks = [click("anna", case, "rank", number, adapter="base") for number in range(100)]
    orders = (clicks, clicks[::-1], clicks, clicks[::-1])
    kept: list[int] = []

    def send(to: Desk, order: list[Click]) -> None:
        doing = [to.database.begin(lambda c, one=one: add_click(c, one)) for one in order]
        kept.append(sum(one.result() for one in doing))

    threads = [
        threading.Thread(target=send, args=pair) for pair in zip((desk, other) * 2, orders, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert sum(kept) == len(clicks)
    assert len(kept) == 4
    assert {one.uid for one in desk.clicks.of(case, "anna")} == {one.uid for one in clicks}
    assert len(desk.clicks.of(case, "anna")) == len(clicks)


def test_a_click_sent_again_after_the_list_was_closed_was_kept(desk: Desk, case: int) -> None:
    one = click("anna", case, "opened", True)
    desk.clicks.add(one)
    desk.lists.close(desk.lists.case(case).work_list)
    assert desk.clicks.add(one) is False


@pytest.mark.parametrize(
    "change", [{"rater": "ben"}, {"value": '"severe"'}, {"answer_sha256": sha256_of("base")}]
)
def test_another_click_by_the_same_uid_is_refused(desk: Desk, case: int, change: dict[str, str]) -> None:
    one = click("anna", case, "severity", "minor", adapter="mdpo")
    desk.clicks.add(one)
    with pytest.raises(BadInput, match="that uid is another click's"):
        desk.clicks.add(replace(one, **change))


@pytest.mark.parametrize("of", [lambda case: case, lambda case: 99, lambda case: 2**70, lambda case: -1])
def test_who_is_not_assigned_cannot_rate(desk: Desk, case: int, of: Callable[[int], int]) -> None:
    with pytest.raises(NotAllowed, match=f"case {of(case)} is not carl's to rate"):
        desk.clicks.add(click("carl", of(case), "opened", True))
    assert said(desk.clicks, case, "carl") == []


def test_a_list_is_rated_while_it_is_open_and_no_longer(desk: Desk) -> None:
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, answered=False)
    case = desk.lists.cases(made.id)[0].id
    with pytest.raises(NotOpen, match=f"the work list of case {case} is not open yet"):
        desk.clicks.add(click("anna", case, "opened", True))
    desk.lists.close(made.id)
    with pytest.raises(NotOpen, match=f"the work list of case {case} is closed"):
        desk.clicks.add(click("anna", case, "opened", True))
    assert desk.clicks.of_list(made.id) == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("severity", "minor", "mpo"), f"no answer to case 4 has the sha256 '{sha256_of('mpo')}'"),
        (("severity", "minor", ""), "'severity' is said of an answer"),
        (("done", True, "mdpo"), "'done' is said of a whole case"),
    ],
)
def test_a_click_is_of_an_answer_that_the_case_has(
    desk: Desk, case: int, wrong: tuple[str, object, str], told: str
) -> None:
    sets, value, adapter = wrong
    with pytest.raises(BadInput, match=told):
        desk.clicks.add(click("anna", case, sets, value, adapter=adapter))


def test_an_uid_is_no_longer_than_an_uid(desk: Desk, case: int) -> None:
    with pytest.raises(BadInput, match="uid: 37 characters, and at most 36 are kept"):
        desk.clicks.add(click("anna", case, "opened", True, uid="u" * 37))


def test_what_is_said_after_the_names_were_seen_is_not_blind_whatever_the_caller_says(
    desk: Desk, case: int
) -> None:
    desk.clicks.add(replace(click("anna", case, "severity", "none", adapter="mdpo"), blind=False))
    desk.clicks.add(click("ben", case, "done", True))
    desk.clicks.add(click("anna", case, "done", True))
    desk.clicks.add(click("anna", case, "severity", "minor", adapter="mdpo"))
    assert said(desk.clicks, case, "anna") == [
        ("severity", '"none"', True),
        ("done", "true", True),
        ("severity", '"minor"', False),
    ]


@pytest.mark.parametrize("sets", ["opened", "done"])
def test_a_case_is_opened_once_and_done_once(desk: Desk, case: int, sets: str) -> None:
    kept = [desk.clicks.add(click(rater, case, sets, True)) for rater in ("anna", "anna", "ben")]
    assert kept == [True, False, True]
    assert said(desk.clicks, case, "anna") == [(sets, "true", True)]


def test_closing_and_clicking_at_once_leaves_no_click_after_the_end(desk: Desk, where: str) -> None:
    """Two servers on one database: one closes while the other is clicked at."""
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, cases=1)
    case = desk.lists.cases(made.id)[0].id
    other = Desk(where)
    began, refused, kept = threading.Event(), [], []

    def send() -> None:
        for number in range(2000):
            try:
                other.clicks.add(click("anna", case, "rank", number, adapter="dpo"))
            except NotOpen:
                refused.append(number)
                return
            kept.append(number)
            if number == 20:
                began.set()

    thread = threading.Thread(target=send)
    thread.start()
    began.wait(30)
    closed = desk.lists.close(made.id)
    thread.join()
    other.close()
    found = desk.clicks.of(case, "anna")
    assert [int(one.value) for one in found] == kept
    assert refused == [len(kept)]
    assert max(one.made_at for one in found) <= (closed.closed_at or "")


def test_clicks_come_to_what_was_said_last() -> None:
    """Two answers, a correction before and one after the names were seen."""
    one, other = sha256_of("mdpo"), sha256_of("base")
    given = [
        (click("anna", 1, "opened", True), "t0", True),
        (click("anna", 1, "severity", "severe", adapter="mdpo"), "t1", True),
        (click("anna", 1, "errors", ["MM", "AM"], adapter="mdpo"), "t2", True),
        (click("anna", 1, "severity", "minor", adapter="mdpo"), "t3", True),
        (click("anna", 1, "rank", 2, adapter="mdpo"), "t4", True),
        (click("anna", 1, "severity", "cannot judge", adapter="base"), "t5", True),
        (click("anna", 1, "comment", "dim", adapter="base"), "t6", True),
        (click("anna", 1, "comment", "a hard one"), "t7", True),
        (click("anna", 1, "done", True), "t8", True),
        (click("anna", 1, "severity", "none", adapter="mdpo"), "t9", False),
    ]
    clicks = [replace(made, made_at=at, blind=blind) for made, at, blind in given]
    first = AnswerState(severity="minor", errors=("MM", "AM"), rank=2)
    second = AnswerState(severity="cannot judge", comment="dim")
    then = CaseState(
        answers={one: first, other: second},
        comment="a hard one",
        opened_at="t0",
        done_at="t8",
        corrections=1,
    )
    assert fold(clicks, blind_only=True) == then
    assert fold(clicks) == replace(then, answers={one: replace(first, severity="none"), other: second})
    assert fold([]) == CaseState()


def test_a_lists_clicks_are_read_by_case_and_rater(desk: Desk, case: int) -> None:
    of = desk.lists.case(case).work_list
    for rater, number in (("anna", case), ("ben", case), ("anna", case + 1), ("anna", case)):
        desk.clicks.add(click(rater, number, "comment", str(uuid.uuid4())))
    desk.clicks.add(click("carl", 1, "opened", True))
    found = desk.clicks.of_list(of)
    assert {key: len(clicks) for key, clicks in found.items()} == {
        (case, "anna"): 2,
        (case, "ben"): 1,
        (case + 1, "anna"): 1,
    }
    assert found[case, "anna"] == desk.clicks.of(case, "anna")
