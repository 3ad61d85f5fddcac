"""Work lists: who rates what, when a list opens, how far raters are, and what is left when it is closed."""

import secrets
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from serving.annotations.desk import Desk
from serving.annotations.records import Progress
from serving.annotations.work_lists import assign
from tests.serving.annotations._store import ADAPTERS, PASSWORD, add_list, add_raters, answer, click, new_case
from zoo.errors import BadInput, UnknownName


def test_a_list_is_read_as_it_was_made(desk: Desk) -> None:
    add_raters(desk, "anna", "ben")
    made = add_list(desk, "anna", "ben", cases=2, answered=False, instructions="Be strict.")
    assert (made.title, made.instructions, made.state) == ("ward", "Be strict.", "preparing")
    assert (made.adapters, made.overlap, made.keep) == (ADAPTERS, 2, False)
    assert (made.made_by, made.closed_at) == ("admin", None)
    first, second = desk.lists.cases(made.id)
    assert (first.number, first.question_id, first.prompt) == (1, "q1", "What is shown in picture 1?")
    assert (first.error_types, first.pictures, first.modality) == (("MM", "SLC"), 2, "ct")
    assert desk.lists.case(second.id) == second
    assert [desk.lists.picture(first.id, place) for place in (0, 1)] == [b"first picture", b"second picture"]
    assert desk.lists.raters(first.id) == ["anna", "ben"]
    assert desk.lists.all() == [made]


def test_lists_are_given_the_newest_first(desk: Desk) -> None:
    add_raters(desk, "anna")
    made = [add_list(desk, "anna", overlap=1, cases=1).id for _ in range(3)]
    assert [one.id for one in desk.lists.all()] == made[::-1]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"raters": ["anna", "anna"]}, "the rater 'anna' is named twice"),
        ({"adapters": ["base", "base"]}, "the adapter 'base' is named twice"),
        ({"adapters": []}, "1 to 26 adapters"),
        ({"adapters": [f"a{n}" for n in range(27)]}, "1 to 26 adapters"),
        ({"new": []}, "at least one case"),
        ({"overlap": 2}, "2 raters for each case and 1 named"),
        ({"overlap": 0}, "0 raters for each case and 1 named"),
        ({"title": "nul \0"}, "title: a character that no text can hold"),
        ({"new": [new_case(1, prompt="\ud800")]}, "prompt: a character that no text can hold"),
        ({"new": [new_case(1, modality="m" * 17)]}, "modality: 17 characters, and at most 16 are kept"),
    ],
)
def test_a_list_that_cannot_be_rated_is_refused_and_nothing_kept(
    desk: Desk, wrong: dict[str, Any], told: str
) -> None:
    add_raters(desk, "anna")
    given: dict[str, Any] = {
        "title": "ward",
        "new": [new_case(1)],
        "adapters": ADAPTERS,
        "raters": ["anna"],
        "overlap": 1,
        "made_by": "admin",
    }
    with pytest.raises(BadInput, match=told):
        desk.lists.add(**given | wrong)
    assert desk.lists.all() == []


def test_a_rater_without_an_account_is_refused(desk: Desk) -> None:
    add_raters(desk, "anna", "ben")
    desk.accounts.close("ben")
    for stranger in ("ben", "zoe"):
        with pytest.raises(UnknownName, match=f"no account is named '{stranger}'"):
            add_list(desk, "anna", stranger)
    assert desk.lists.all() == []


def test_an_administrator_who_sees_results_at_any_time_is_no_rater(desk: Desk) -> None:
    add_raters(desk, "anna")
    desk.accounts.add("chief", "administrator", PASSWORD)
    with pytest.raises(BadInput, match="'chief' is an administrator, who sees results") as refused:
        add_list(desk, "anna", "chief")
    assert refused.value.hint == "name raters alone; medzoo accounts new NAME makes one"
    assert desk.lists.all() == []


@pytest.mark.parametrize("identity", ["", "deadbeef", "nul\0", "x" * 1000])
def test_a_list_that_is_not_there_is_unknown(desk: Desk, identity: str) -> None:
    with pytest.raises(UnknownName, match="no work list is named"):
        desk.lists.get(identity)


@pytest.mark.parametrize("number", [0, -1, 1, 2**31, 2**70])
def test_a_case_or_picture_that_is_not_there_is_unknown(desk: Desk, number: int) -> None:
    with pytest.raises(UnknownName, match=f"no case is named '{number}'"):
        desk.lists.case(number)
    with pytest.raises(UnknownName, match=f"no picture is named '{number}/0'"):
        desk.lists.picture(number, 0)
    with pytest.raises(UnknownName, match=f"no picture is named '1/{number}'"):
        desk.lists.picture(1, number)


def test_a_list_opens_with_the_answers_to_its_last_case(desk: Desk) -> None:
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, answered=False)
    cases = desk.lists.cases(made.id)
    states = []
    for case in cases:
        desk.lists.put_problem(case.id, "the picture cannot be read")
        desk.lists.put_answers(case.id, [answer(adapter) for adapter in sorted(ADAPTERS)])
        states.append((desk.lists.get(made.id).state, [one.number for one in desk.lists.unanswered()]))
    assert states == [("preparing", [2, 3]), ("preparing", [3]), ("open", [])]
    assert [one.adapter for one in desk.lists.answers(cases[0].id)] == list(ADAPTERS)
    assert desk.lists.answers_of_list(made.id) == {one.id: desk.lists.answers(one.id) for one in cases}
    assert desk.lists.answers(cases[0].id)[0] == answer("mdpo")
    assert [case.problem for case in desk.lists.cases(made.id)] == ["", "", ""]


def test_answers_that_are_there_stay_when_they_are_made_again(desk: Desk) -> None:
    """As after a restart, or by two servers."""
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, cases=1)
    (case,) = desk.lists.cases(made.id)
    desk.lists.put_answers(case.id, [answer(adapter, "other words") for adapter in ADAPTERS])
    assert desk.lists.answers(case.id) == [answer(adapter) for adapter in ADAPTERS]
    assert desk.lists.get(made.id).state == "open"


def test_answers_that_come_after_the_end_are_not_kept_and_open_nothing(desk: Desk) -> None:
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, cases=1, answered=False)
    (case,) = desk.lists.cases(made.id)
    desk.lists.close(made.id)
    desk.lists.put_answers(case.id, [answer(adapter) for adapter in ADAPTERS])
    assert desk.lists.answers(case.id) == []
    assert desk.lists.answered(made.id) == 0
    assert desk.lists.get(made.id).state == "closed"


@pytest.mark.parametrize("of", [ADAPTERS[:2], (*ADAPTERS, "more"), (*ADAPTERS[:2], "other")])
def test_answers_of_other_adapters_than_the_lists_are_refused(desk: Desk, of: tuple[str, ...]) -> None:
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, cases=1, answered=False)
    (case,) = desk.lists.cases(made.id)
    with pytest.raises(BadInput, match=f"the answers to case {case.id} are not of mdpo, base, dpo, one each"):
        desk.lists.put_answers(case.id, [answer(adapter) for adapter in of])
    assert desk.lists.unanswered() == [case]


@pytest.mark.parametrize("change", [{"tokens": 2**31}, {"seed": -(2**31) - 1}, {"tokens": 2**70}])
def test_a_number_that_no_database_could_hold_is_refused_by_each(desk: Desk, change: dict[str, int]) -> None:
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, cases=1, answered=False)
    (case,) = desk.lists.cases(made.id)
    with pytest.raises(BadInput, match=f"{next(iter(change))}: a number of more than 32 bits"):
        desk.lists.put_answers(case.id, [answer(adapter, **change) for adapter in ADAPTERS])
    assert desk.lists.unanswered() == [case]


def test_progress_is_of_each_rater_of_the_list(desk: Desk) -> None:
    add_raters(desk, "anna", "ben", "carl")
    made = add_list(desk, "anna", "ben", "carl", cases=3)
    other = add_list(desk, "anna", overlap=1)
    for case in desk.lists.cases(made.id, rater="anna"):
        desk.clicks.add(click("anna", case.id, "opened", True))
        desk.clicks.add(click("anna", case.id, "done", True))
        desk.clicks.add(click("anna", case.id, "comment", "seen"))
    desk.clicks.add(click("ben", desk.lists.cases(made.id, rater="ben")[0].id, "done", True))
    assert desk.lists.progress(made.id) == [
        Progress(rater="anna", assigned=2, done=2),
        Progress(rater="ben", assigned=2, done=1),
        Progress(rater="carl", assigned=2, done=0),
    ]
    assert desk.lists.progress(other.id) == [Progress(rater="anna", assigned=3, done=0)]


def test_a_list_is_closed_once_and_shows_nothing_any_more(desk: Desk) -> None:
    add_raters(desk, "anna")
    made, other = (add_list(desk, "anna", overlap=1, cases=2) for _ in range(2))
    case = desk.lists.cases(made.id)[0]
    desk.clicks.add(click("anna", case.id, "severity", "severe", adapter="base"))
    closed = desk.lists.close(made.id)
    assert desk.lists.close(made.id) == closed
    assert closed.state == "closed"
    assert closed.closed_at is not None
    after = desk.lists.case(case.id)
    assert (after.prompt, after.reference, after.options) == ("", "", ())
    assert after.case_sha256 == case.case_sha256
    assert desk.lists.answers(case.id) == [replace(answer(adapter), text="") for adapter in ADAPTERS]
    with pytest.raises(UnknownName, match="no picture"):
        desk.lists.picture(case.id, 0)
    assert len(desk.clicks.of(case.id, "anna")) == 1
    untouched = desk.lists.cases(other.id)[0]
    assert untouched.prompt == "What is shown in picture 1?"
    assert desk.lists.picture(untouched.id, 0) == b"first picture"


def test_a_list_that_is_to_be_kept_is_closed_and_kept(desk: Desk) -> None:
    add_raters(desk, "anna")
    made = add_list(desk, "anna", overlap=1, cases=1, keep=True)
    (case,) = desk.lists.cases(made.id)
    assert desk.lists.close(made.id).state == "closed"
    assert desk.lists.cases(made.id) == [case]
    assert desk.lists.picture(case.id, 1) == b"second picture"
    assert desk.lists.answers(case.id) == [answer(adapter) for adapter in ADAPTERS]


def test_nothing_that_a_closed_list_showed_is_left_in_sqlites_files(tmp_path: Path) -> None:
    """Words of many sizes, so that pages are split and rows move; a list beside it stays."""
    desk = Desk(str(tmp_path / "ratings.db"))
    add_raters(desk, "anna")
    planted, kept = secrets.token_hex(8), secrets.token_hex(8)

    def fill(mark: str) -> str:
        new = [
            new_case(
                number,
                prompt=f"{mark} " * (number % 37 + 1),
                reference=f"{mark} " * (number % 11 + 1),
                options=(mark, "else"),
                pictures=(mark.encode() * (40 * number),),
            )
            for number in range(1, 61)
        ]
        more: dict[str, Any] = {"raters": ["anna"], "overlap": 1, "made_by": "admin"}
        return desk.lists.add("ward", new, adapters=ADAPTERS, **more).id

    def say(identity: str, mark: str) -> None:
        for case in desk.lists.cases(identity):
            said = [answer(adapter, f"{mark} " * (case.number * 3 % 50 + 1)) for adapter in ADAPTERS]
            desk.lists.put_problem(case.id, mark)
            desk.lists.put_answers(case.id, said)

    first, second = fill(planted), fill(kept)
    say(first, planted)
    say(second, kept)
    assert planted.encode() in _bytes(tmp_path)
    desk.lists.close(first)
    found = _bytes(tmp_path)
    assert planted.encode() not in found
    assert kept.encode() in found
    desk.close()
    assert planted.encode() not in _bytes(tmp_path)


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


@pytest.mark.parametrize(("count", "raters", "overlap"), [(12, 2, 2), (60, 5, 2), (7, 4, 3), (1, 3, 1)])
def test_cases_are_shared_out_evenly(count: int, raters: int, overlap: int) -> None:
    names = [f"r{number}" for number in range(raters)]
    cases = [f"{number:064x}" for number in range(count)]
    shares = assign(cases, names, overlap=overlap, seed=7)
    assert shares == assign(cases, names, overlap=overlap, seed=7)
    assert all(len(set(chosen)) == overlap for chosen in shares)
    load = Counter(dict.fromkeys(names, 0))
    load.update(name for chosen in shares for name in chosen)
    assert max(load.values()) - min(load.values()) <= 1


def test_a_repeated_case_is_the_same_raters_each_time_and_counts_each_time() -> None:
    shares = assign([*"abcdefgh", *"abcd", *"xyz"], ["anna", "ben", "carl"], overlap=1, seed=3)
    assert shares[8:12] == shares[:4]
    load = Counter(name for chosen in shares for name in chosen)
    assert sorted(load.values()) == [5, 5, 5], "the last three go to who had fewer"


def test_every_two_raters_meet() -> None:
    shares = assign([*map(str, range(60))], ["anna", "ben", "carl", "dora", "emil"], overlap=2, seed=3)
    met = Counter(pair for chosen in shares for pair in combinations(sorted(chosen), 2))
    assert len(met) == 10
    assert min(met.values()) >= 2
