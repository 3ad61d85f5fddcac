"""The rule-based judge says what its docstring says, in the form that the metrics read."""

import json

import pytest

from tests.zoo.evaluation.judging._answers import answer
from zoo.evaluation.judging.judge import Case
from zoo.evaluation.judging.rules import Rules, clauses, label
from zoo.evaluation.metrics.green import Counts, counts

RULES = Rules()


@pytest.mark.parametrize(
    ("truth", "found"),
    [
        ("A nodule in the left lung.", ("A nodule in the left lung",)),
        (
            "Small mass. No effusion; the heart is normal",
            ("Small mass", "No effusion", "the heart is normal"),
        ),
        ("A cyst, but no stone and the spleen is large.", ("A cyst", "no stone", "the spleen is large")),
        ("No effusion or pneumothorax, and clear lungs", ("No effusion or pneumothorax", "clear lungs")),
        ("1. CT. 2. Left kidney\nCT", ("CT", "Left kidney")),
        ("3.5 cm mass", ("3.5 cm mass",)),
        (" . ", ()),
    ],
)
def test_a_truth_is_split_into_its_sentences_and_clauses(truth: str, found: tuple[str, ...]) -> None:
    assert clauses(truth) == found
    assert RULES.split([answer("", truth)]) == [found]


@pytest.mark.parametrize(
    ("fact", "said", "expected"),
    [
        ("a nodule in the left lung", "The left lung has a nodule.", "Entailment"),
        ("a nodule in the left lung", "a nodule", "Partial Entailment"),
        ("a nodule in the left lung", "a nodule in the right lung", "Contradiction"),
        ("no effusion", "there is an effusion", "Contradiction"),
        ("no effusion", "the lungs are shown", "Neutral"),
        ("no effusion", "No effusion or mass.", "Entailment"),
        ("clear costophrenic angles", "Clear costophrenic angles.", "Entailment"),  # no term of the lexicon
        ("clear costophrenic angles", "blunted angles", "Neutral"),
        ("a nodule", "", "Neutral"),
    ],
)
def test_the_label_of_a_fact(fact: str, said: str, expected: str) -> None:
    assert label(fact, said) == expected


def test_labels_come_numbered_in_the_facts_order() -> None:
    case = Case(answer("a nodule, right"), ("a nodule", "left lung"))
    assert RULES.replies("facts", [case]) == ['["1. Entailment", "2. Contradiction"]']


@pytest.mark.parametrize(
    ("said", "truth", "right"),
    [
        ("It is in the left lung", "left lung", True),
        ("left", "left lung", False),  # a part alone
        ("left and right lung", "left lung", True),  # what it is blind to
        ("right lung", "left lung", False),
        ("A nodule, and no abnormality", "a nodule", False),  # states the truth and denies it
        ("The costophrenic angle", "costophrenic angle", True),
        ("", "left lung", False),
    ],
)
def test_an_open_answer_is_right_if_it_states_the_truth_and_contradicts_nothing(
    said: str, truth: str, right: bool
) -> None:
    assert RULES.replies("correct", [Case(answer(said, truth))]) == [json.dumps(right)]


def test_a_closed_answer_is_judged_by_the_word() -> None:
    yes = answer("Yes, there is no doubt", "yes", answer_type="closed")
    no = answer("There is no doubt", "yes", answer_type="closed")
    assert RULES.replies("correct", [Case(yes), Case(no)]) == ["true", "false"]


@pytest.mark.parametrize(
    ("said", "grade"),
    [
        ("The right side.", 1.0),  # relevant, though wrong
        ("The right side of an MRI.", 0.5),
        ("An MRI.", 0.0),
        ("I cannot say.", 0.0),
    ],
)
def test_relevance_is_the_share_of_terms_of_the_kind_that_was_asked_for(said: str, grade: float) -> None:
    asked = answer(said, "left", prompt="Which side is it on?")
    assert RULES.replies("relevance", [Case(asked)]) == [json.dumps({"relevance": grade})]


def test_a_green_reply_counts_findings_places_and_sizes() -> None:
    truth = "A small nodule in the left lung. No effusion. Cardiomegaly."
    said = "A large nodule in the right lung. No effusion. Pneumothorax."
    (reply,) = RULES.replies("green", [Case(answer(said, truth, answer_type="report"))])
    assert reply.splitlines()[:7] == [
        "[Clinically Significant Errors]:",
        "(a) False finding: 1. pneumothorax",
        "(b) Missing finding: 1. cardiomegaly",
        "(c) Wrong place: 1. right",
        "(d) Wrong severity: 1. large",
        "(e) False comparison: 0.",
        "(f) Missing comparison: 0.",
    ]
    assert reply.splitlines()[-2:] == ["[Matched Findings]:", "2. no effusion; nodule"]
    assert counts(reply) == Counts(matched=2, errors=(1, 1, 1, 1, 0, 0))


def test_the_judge_is_named_with_its_task_and_version() -> None:
    assert RULES.name("facts") == "rules facts@1"
