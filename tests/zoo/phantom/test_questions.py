"""The questions about drawn scans: every type, true answers, no answer that is right by habit."""

from collections import Counter

import pytest

from zoo.phantom import vocabulary as words
from zoo.phantom.questions import YES_NO, ask, report
from zoo.phantom.scans import Finding, Scan, make_scan


@pytest.fixture(scope="module")
def items():
    return [item for seed in range(1500) for item in ask(make_scan(seed))]


def test_the_same_scan_is_asked_the_same_questions():
    assert ask(make_scan(3)) == ask(make_scan(3))


def test_every_question_type_and_error_type_is_present(items):
    assert {item.question_type for item in items} == set(words.QUESTION_TYPES)
    assert {error for item in items for error in item.error_types} == {"MM", "AM", "SLC", "LAS"}


def test_every_type_but_presence_and_report_has_closed_and_open_questions(items):
    found = {(item.question_type, item.answer_type) for item in items}
    for kind in set(words.QUESTION_TYPES) - {"presence", "report"}:
        assert {(kind, "closed"), (kind, "open")} <= found


def test_a_closed_answer_is_one_of_its_options_and_an_open_question_has_none(items):
    for item in items:
        assert (item.answer in item.options) if item.answer_type == "closed" else not item.options


@pytest.mark.parametrize("kind", ["modality", "organ", "presence", "side", "zone", "size", "kind"])
def test_yes_and_no_are_balanced(items, kind):
    answers = Counter(item.answer for item in items if item.question_type == kind and item.options == YES_NO)
    assert 0.45 < answers["Yes"] / answers.total() < 0.55


def test_the_first_option_is_no_better_guess_than_the_last(items):
    choices = [item for item in items if len(item.options) == 2 and item.options != YES_NO]
    assert 0.45 < sum(item.answer == item.options[0] for item in choices) / len(choices) < 0.55


def test_yes_no_questions_about_the_place_are_answered_by_the_place():
    for seed in range(300):
        scan = make_scan(seed)
        for item in ask(scan):
            if item.question_type == "side" and item.options == YES_NO:
                named = words.place(scan.finding.side, scan.organ) in item.prompt
                assert item.answer == ("Yes" if named else "No")
            if item.question_type == "zone" and item.options == YES_NO:
                assert item.answer == ("Yes" if f"{scan.finding.zone} zone" in item.prompt else "No")


def test_a_report_names_modality_organ_and_finding():
    finding = Finding(kind="cyst", side="left", zone="upper", size="small")
    scan = Scan(seed=0, modality="CT", organ="kidneys", finding=finding)
    assert report(scan) == "CT of the kidneys. There is a small cyst in the upper zone of the left kidney."
    healthy = Scan(seed=0, modality="x-ray", organ="lungs", finding=None)
    assert report(healthy) == "X-ray of the lungs. No abnormality is seen."


def test_the_same_question_is_worded_in_several_ways(items):
    for kind in words.QUESTION_TYPES:
        shapes = {item.prompt.split()[0:2].__str__() for item in items if item.question_type == kind}
        assert len(shapes) >= 3, kind
