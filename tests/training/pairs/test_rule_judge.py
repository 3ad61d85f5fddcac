"""The rule-based judge: right, wrong, and how good."""

from collections.abc import Callable

import pytest

from training.pairs.rule_judge import grade, is_right
from training.pairs.step import Draft


@pytest.mark.parametrize(
    ("truth", "options", "answer", "right"),
    [
        ("Yes", ("Yes", "No"), "Yes, there is no effusion.", True),
        ("No", ("Yes", "No"), "Yes, there is no effusion.", False),
        ("no", (), "No.", True),
        ("No", ("Yes", "No"), "A nodule is seen.", False),
        ("CT", ("CT", "MRI"), "This is a CT scan.", True),
        ("CT", ("CT", "MRI"), "Either CT or MRI.", False),
        ("upper", ("upper", "upper left"), "upper left", False),
        ("left lung", (), "It is in the left lung", True),
        ("left lung", (), "in the right lung", False),
        ("left", (), "left or right", False),
        ("Circular", (), "A circular shape", True),
        ("Circular", (), "Oval", False),
        ("Circular", (), "", False),
    ],
)
def test_right_is_what_names_the_truth_and_nothing_that_excludes_it(
    make_draft: Callable[..., Draft], truth: str, options: tuple[str, ...], answer: str, right: bool
) -> None:
    assert is_right(make_draft(truth, options=options).question, answer) is right


def test_a_report_may_say_more_than_the_truth_and_may_not_contradict_it(
    make_draft: Callable[..., Draft],
) -> None:
    question = make_draft("CT of the chest. A mass in the left lung.", kind="report").question
    assert is_right(question, "CT of the chest with a mass and a cyst.")
    assert not is_right(question, "CT of the chest. No abnormality is seen.")


def test_grades_count_true_facts_less_contradictions(make_draft: Callable[..., Draft]) -> None:
    question = make_draft("CT of the liver. There is a cyst.", kind="report").question  # three facts
    assert grade(question, "CT of the liver. There is a cyst.") == 5
    assert grade(question, "CT of the liver.") == pytest.approx(5 * 2 / 3)
    assert grade(question, "MRI of the liver. There is a cyst.") == pytest.approx(5 * (2 - 1) / 3)
    assert grade(question, "MRI of the heart.") == 0
    closed = make_draft("Yes", options=("Yes", "No")).question
    assert [grade(closed, text) for text in ("Yes", "No", "")] == [5, 0, 0]


def test_without_clinical_facts_the_words_are_graded(make_draft: Callable[..., Draft]) -> None:
    question = make_draft("well circumscribed border").question
    assert grade(question, "a well circumscribed edge") == pytest.approx(5 * 2 * 2 / (3 + 4))
    assert grade(question, "") == 0
