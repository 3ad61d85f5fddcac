"""Verdicts and ratings as items: whose, of what, on which scale; and what experts saw in each adapter."""

import json
from typing import Any

import pytest

from zoo.errors import BadInput
from zoo.evaluation.agreement import kappa
from zoo.evaluation.agreement_table import shares_text
from zoo.evaluation.preferences import Ranking
from zoo.evaluation.rated import from_ratings, from_verdicts, in_order, rankings, shares, unjudged
from zoo.evaluation.report.experts import expert_tables
from zoo.records import Rating, Task, Verdict


def verdict(reply: str, judge: str = "a", *, task: Task = "correct", **changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "question_id": "q/1",
        "dataset": "phantom",
        "split": "test",
        "adapter": "base",
        "task": task,
        "judge": judge,
        "answer_sha256": "0" * 64,
        "reply": reply,
    }
    return Verdict(**values | changes)


def rating(misunderstanding: str | None, rater: str = "anna", number: int = 1, **changes: Any) -> Rating:
    values: dict[str, Any] = {
        "question_id": f"q/{number}",
        "dataset": "phantom",
        "split": "test",
        "adapter": "base",
        "answer_sha256": "0" * 64,
        "rater": rater,
        "misunderstanding": misunderstanding,
    }
    return Rating(**values | changes)


def test_judges_are_compared_on_the_answers_whose_replies_can_be_read() -> None:
    (found,) = from_verdicts(
        [
            *(verdict("true"), verdict("false", "b")),
            *(verdict("true", question_id="q/2"), verdict("true", "b", question_id="q/2")),
            *(verdict("true", question_id="q/3"), verdict("Hm.", "b", question_id="q/3")),
        ]
    )
    assert (found.name, found.labels, found.raters, found.ordered) == (
        "correct",
        ("false", "true"),
        ("a", "b"),
        False,
    )
    assert found.said.tolist() == [[1, 0], [1, 1], [1, -1]]
    assert found.groups[0] == ("phantom", "test", "q/1")


def test_facts_are_items_of_their_own_where_both_judges_have_the_same_list() -> None:
    one, two = ("x", "y"), ("x and y",)
    found = from_verdicts(
        [
            verdict('["Neutral", "entailment"]', task="facts", facts=one),
            verdict('["1. Neutral", "2. Contradiction"]', "b", task="facts", facts=one),
            verdict('["Entailment"]', "c", task="facts", facts=two),
        ]
    )[0]
    assert found.labels == ("entailment", "partial entailment", "neutral", "contradiction")
    assert found.said.tolist() == [[2, 2, -1], [0, 3, -1], [-1, -1, 0]]
    assert len(set(found.groups)) == 1


def test_numbers_are_tenths_of_a_scale() -> None:
    green = "[Clinically Significant Errors]:\n(a) x: 1. mass\n[Matched Findings]:\n2. a; b"
    tenths, reports = from_verdicts(
        [
            verdict('{"relevance": 0.75}', task="relevance"),
            verdict('{"relevance": 1}', "b", task="relevance"),
            verdict(green, task="green"),
        ]
    )
    assert (tenths.said.tolist(), tenths.ordered, tenths.labels[8]) == ([[8, 10]], True, "0.8")
    assert reports.said.tolist() == [[7]]  # 2 of 3


def test_the_same_words_of_two_adapters_are_one_item_unless_a_rater_differs_with_himself() -> None:
    both = [verdict(r, j, adapter=a) for a in ("x", "y") for j, r in (("a", "true"), ("b", "false"))]
    assert from_verdicts(both)[0].said.tolist() == [[1, 0]]
    both[3] = verdict("true", "b", adapter="y")
    assert from_verdicts(both)[0].said.tolist() == [[1, 0], [1, 1]]
    noisy = verdict("true", "b", shown="noise")
    assert from_verdicts([verdict("true"), noisy])[0].said.tolist() == [[1, -1], [-1, 1]]


def test_two_verdicts_of_one_judge_on_one_answer_are_refused_if_they_differ() -> None:
    assert from_verdicts([verdict("true"), verdict("true")])[0].said.tolist() == [[1]]
    with pytest.raises(BadInput, match=r"a says two things of one answer of base \(correct\)"):
        from_verdicts([verdict("true"), verdict("false")])


def test_ratings_are_severities_in_order_and_error_types_seen_or_not() -> None:
    found = from_ratings(
        [
            rating("severe", error_types=("MM", "SLC")),
            rating("minor", "ben", error_types=("SLC",)),
            rating("none", number=2),
            rating("none", "ben", 2),
        ]
    )
    assert [one.name for one in found] == ["misunderstanding", "MM", "AM", "SLC", "LAS"]
    assert (found[0].labels, found[0].ordered) == (("none", "minor", "severe"), True)
    assert [one.said.tolist() for one in found] == [
        [[2, 1], [0, 0]],
        [[1, 0], [0, 0]],
        [[0, 0], [0, 0]],
        [[1, 1], [0, 0]],
        [[0, 0], [0, 0]],
    ]
    # Observed one step of 2 items; expected (1*1 + 1*0 + 1*2 + 1*1) / 4 = 1: kappa 1 - 0.5 / 1.
    assert kappa(found[0], weighted=True).value == pytest.approx(0.5)


def test_shares_are_of_answers_with_the_mean_over_their_raters() -> None:
    found = shares(
        [
            rating("severe", error_types=("AM",)),
            rating("minor", "ben"),
            rating("none", number=2),
            rating("severe", adapter="mdpo"),
        ]
    )
    of_base = {name: (share.value, share.n) for name, share in found["base"].items()}
    assert of_base == {
        "none": (0.5, 2),
        "minor": (0.25, 2),
        "severe": (0.25, 2),
        "MM": (0.0, 2),
        "AM": (0.25, 2),
        "SLC": (0.0, 2),
        "LAS": (0.0, 2),
    }
    assert (found["base"]["none"].low, found["base"]["none"].high) == (0.0, 1.0)
    assert found["mdpo"]["severe"].value == 1.0


def test_labels_read_from_json_are_those_of_the_metric() -> None:
    reply = json.dumps(["1. PARTIAL ENTAILMENT"])
    assert from_verdicts([verdict(reply, task="facts", facts=("x",))])[0].said.tolist() == [[1]]


def test_who_cannot_judge_an_answer_says_nothing_of_it_and_is_counted() -> None:
    ratings = [
        *(rating(None, error_types=("MM",)), rating("minor", "ben")),
        *(rating(None, number=2), rating(None, "ben", 2)),
        rating(None, adapter="blind"),
    ]
    assert from_ratings(ratings)[0].said.tolist() == [[-1, 1]]
    found = shares(ratings)
    assert {name: (share.value, share.n) for name, share in found["base"].items()} == {
        "none": (0.0, 1),
        "minor": (1.0, 1),
        "severe": (0.0, 1),
        "MM": (0.0, 1),
        "AM": (0.0, 1),
        "SLC": (0.0, 1),
        "LAS": (0.0, 1),
    }
    assert found["blind"] == {}
    assert unjudged(ratings) == {"base": 3, "blind": 1}
    assert [line.split()[-2:] for line in shares_text(found, unjudged(ratings)).splitlines()[1:]] == [
        ["1", "3"],
        ["0", "1"],
    ]


def test_base_and_sft_stand_first() -> None:
    ratings = [rating("none", adapter=name, variant=name) for name in ("mdpo", "tuned", "base", "rsdpo")]
    ratings.append(rating("none", adapter="ward/one", variant="sft"))
    assert in_order(ratings) == ["base", "ward/one", "mdpo", "tuned", "rsdpo"]


def test_rankings_are_of_one_rater_and_question_without_what_has_no_rank() -> None:
    ratings = [
        *(rating("none", rank=1), rating("minor", adapter="sft", rank=2), rating(None, adapter="mdpo")),
        *(rating("none", "ben", rank=1), rating("none", "ben", adapter="sft", rank=1)),
        rating("none", number=2),
    ]
    question = ("phantom", "test", "q/1")
    assert rankings(ratings) == [
        Ranking(question, {"base": 1, "sft": 2}, rater="anna", unit=question),
        Ranking(question, {"base": 1, "sft": 1}, rater="ben", unit=question),
    ]


def test_the_experts_table_is_the_papers_with_intervals() -> None:
    """Of four captions: severe, severe, minor, none; two of MM, one of them by one rater of two."""
    ratings = [
        *(rating("severe", error_types=("MM",)), rating("severe", number=2, error_types=("MM", "LAS"))),
        *(rating("severe", "ben", 2), rating("minor", number=3), rating("none", number=4)),
        *(rating("none", number=n, adapter="sft") for n in (1, 2, 3)),
        rating(None, number=4, adapter="sft"),
        rating("none", dataset="other"),
    ]
    first, second = expert_tables(ratings)
    assert (first.title, second.title) == (
        "Kim et al. 2026, table 4: phantom",
        "Kim et al. 2026, table 4: other",
    )
    heads = ["None", "Minor", "Severe", "MM", "SLC", "AM", "LAS", "n", "cannot judge"]
    assert [column.name for column in first.columns] == heads
    figures = {row.name: [cell.figure for cell in row.cells] for row in first.rows}
    assert figures == {
        "base": ["25.0", "25.0", "50.0", "1.5", "0", "0", "0.5", "4", "0"],
        "sft": ["100.0", "0.0", "0.0", "0", "0", "0", "0", "3", "1"],
    }
    assert first.rows[0].cells[0].aside == "0.0 to 75.0"
    assert first.rows[0].cells[3].aside == "0.0 to 3.0"
