"""Rankings and severities of several raters -> preference pairs, worked out by hand."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from zoo.errors import BadInput
from zoo.evaluation.rated_pairs import (
    ALREADY,
    EMPTY,
    NO_FAULT,
    NO_TRUTH,
    SAME,
    SEVERE,
    SPLIT,
    TIED,
    UNJUDGED,
    UNRANKED,
    pairs_of,
)
from zoo.records import Prediction, PreferencePair, Rating

Said = Mapping[str, Mapping[str, tuple[Any, int | None]]]
"""By rater and adapter: severity (None: cannot judge) and rank."""


def prediction(adapter: str, answer: str, truth: str = "A mass.") -> Prediction:
    return Prediction(
        question_id="7",
        dataset="ward",
        split="list",
        images=("images/a.png",),
        prompt="What is it?",
        truth=truth,
        answer_type="open",
        question_type="",
        options=(),
        error_types=(),
        base="phantom@1",
        adapter=adapter,
        variant=adapter,
        digest="",
        answer=answer,
        tokens=2,
    )


def made(
    said: Said, texts: Mapping[str, str] | None = None, truth: str = "A mass.", **how: Any
) -> tuple[list[PreferencePair], dict[str, int]]:
    words = texts or {name: f"It is {name}." for of in said.values() for name in of}
    ratings = [
        Rating(
            question_id="7",
            dataset="ward",
            split="list",
            adapter=adapter,
            answer_sha256=hashlib.sha256(words[adapter].encode()).hexdigest(),
            rater=rater,
            misunderstanding=severity,
            rank=rank,
        )
        for rater, of in said.items()
        for adapter, (severity, rank) in of.items()
    ]
    return pairs_of(ratings, [prediction(name, text, truth) for name, text in words.items()], **how)


def test_two_raters_of_one_mind_give_a_pair_with_all_that_they_said() -> None:
    """The rejected answer is severe to one and minor to the other: (1 + 0.5) / 2."""
    pairs, left_out = made(
        {
            "r1": {"x": ("none", 1), "y": ("severe", 2)},
            "r2": {"x": ("minor", 1), "y": ("minor", 2)},
        }
    )
    assert left_out == {}
    assert pairs == [
        PreferencePair(
            id="ward/list/7/1",
            question_id="7",
            images=("images/a.png",),
            prompt="What is it?",
            chosen="It is x.",
            rejected="It is y.",
            weight=0.75,
            made_by={
                "writer": "raters' ranks",
                "weighed_by": "none 0.25, minor 0.5, severe 1",
                "chosen_by": ["x"],
                "rejected_by": ["y"],
                "raters": {
                    "r1": {
                        "chosen": {"rank": 1, "severity": "none"},
                        "rejected": {"rank": 2, "severity": "severe"},
                    },
                    "r2": {
                        "chosen": {"rank": 1, "severity": "minor"},
                        "rejected": {"rank": 2, "severity": "minor"},
                    },
                },
            },
        )
    ]


@pytest.mark.parametrize(
    ("why", "r1", "r2"),
    [
        (SPLIT, {"x": ("none", 1), "y": ("none", 2)}, {"x": ("none", 2), "y": ("none", 1)}),
        (TIED, {"x": ("none", 1), "y": ("none", 1)}, {"x": ("none", 2), "y": ("none", 2)}),
        (UNRANKED, {"x": ("none", 1), "y": (None, None)}, {"x": (None, None), "y": ("none", 1)}),
        (UNJUDGED, {"x": ("none", 1), "y": (None, 2)}, {}),
        (SEVERE, {"x": ("none", 1), "y": ("minor", 2)}, {"x": ("severe", 1), "y": ("severe", 2)}),
    ],
)
def test_what_makes_no_pair_is_counted_by_its_reason(why: str, r1: Any, r2: Any) -> None:
    assert made({"r1": r1, "r2": r2}) == ([], {why: 1})


def test_a_tie_of_one_rater_leaves_the_word_to_the_other() -> None:
    pairs, _ = made({"r1": {"x": ("none", 1), "y": ("none", 1)}, "r2": {"x": ("minor", 2), "y": ("none", 1)}})
    assert [(p.chosen, p.rejected, p.weight) for p in pairs] == [("It is y.", "It is x.", 0.375)]


def test_every_two_answers_are_a_pair_and_the_same_words_are_one_answer() -> None:
    said = {"r1": {"x": ("none", 1), "same": ("none", 1), "y": ("minor", 2), "z": ("severe", 3)}}
    texts = {"x": "Yes.", "same": "Yes.", "y": "Maybe.", "z": "No."}
    pairs, left_out = made(said, texts)
    assert left_out == {}
    assert [(p.id, p.chosen, p.rejected, p.weight) for p in pairs] == [
        ("ward/list/7/1", "Yes.", "Maybe.", 0.5),
        ("ward/list/7/2", "Yes.", "No.", 1.0),
        ("ward/list/7/3", "Maybe.", "No.", 1.0),
    ]
    assert pairs[0].made_by["chosen_by"] == ["x", "same"]


def test_an_answer_without_words_is_in_no_pair() -> None:
    said = {"r1": {"x": ("none", 1), "y": ("severe", 2)}}
    assert made(said, {"x": "Yes.", "y": " "}) == ([], {EMPTY: 1})


def test_no_answer_is_chosen_over_its_own_words() -> None:
    said = {"r1": {"x": ("none", 1), "y": ("severe", 2)}}
    assert made(said, {"x": "Yes.", "y": "Yes. "}) == ([], {SAME: 1})
    alone = {"r1": {"x": ("minor", 1)}}
    assert made(alone, {"x": "A mass. "}, truth="A mass.", reference=True) == ([], {SAME: 1})


def test_the_true_answer_is_chosen_over_the_worst_where_that_is_asked_for() -> None:
    said = {"r1": {"x": ("minor", 1), "y": ("minor", 2)}, "r2": {"x": ("minor", 2), "y": ("severe", 3)}}
    pairs, _ = made(said, reference=True)
    assert [(p.chosen, p.rejected, p.weight) for p in pairs] == [
        ("It is x.", "It is y.", 0.75),
        ("A mass.", "It is y.", 0.75),
    ]
    assert pairs[1].made_by["chosen_by"] == ["reference"]
    assert pairs[1].made_by["raters"]["r2"] == {"rejected": {"rank": 3, "severity": "severe"}}


@pytest.mark.parametrize(
    ("why", "truth", "severity"),
    [(NO_TRUTH, " ", "severe"), (NO_FAULT, "A mass.", "none"), (ALREADY, "It is x.", "severe")],
)
def test_where_the_true_answer_is_not_chosen_the_reason_is_counted(
    why: str, truth: str, severity: str
) -> None:
    said = {"r1": {"x": ("none", 1), "y": (severity, 2)}}
    pairs, left_out = made(said, truth=truth, reference=True)
    assert left_out == {why: 1}
    assert [p.chosen for p in pairs] == ["It is x."]


def test_the_scale_is_the_callers_and_one_that_cannot_be_is_refused() -> None:
    said = {"r1": {"x": ("none", 1), "y": ("minor", 2)}}
    assert made(said, scale={"none": 0.0, "minor": 0.2, "severe": 1.0})[0][0].weight == 0.2
    for scale in ({"none": 0.0, "minor": 0.2}, {"none": -1.0, "minor": 0.2, "severe": 1.0}):
        with pytest.raises(BadInput, match="the weights are"):
            made(said, scale=scale)


def test_a_case_that_was_rated_again_is_one_question_where_each_rater_counts_with_the_first_word() -> None:
    """r1 saw question 7 first and ranks its repeat the other way round, r2 the repeat: (0.5 + 1) / 2."""
    said = (
        ("7", "r1", 1, {"x": ("none", 1), "y": ("minor", 2)}),
        ("again", "r1", 2, {"x": ("severe", 2), "y": ("none", 1)}),
        ("again", "r2", 3, {"x": ("none", 1), "y": ("severe", 2)}),
        ("7", "r2", 4, {"x": ("severe", 2), "y": ("none", 1)}),
    )
    words = {name: prediction(name, f"It is {name}.") for name in "xy"}
    ratings = [
        Rating(
            question_id=question,
            dataset="ward",
            split="list",
            adapter=adapter,
            answer_sha256=words[adapter].answer_sha256,
            rater=rater,
            misunderstanding=severity,
            rank=rank,
            case_sha256="c" * 64,
            made_at=f"2026-11-0{day}T09:00:00.000001+00:00",
        )
        for question, rater, day, of in said
        for adapter, (severity, rank) in of.items()
    ]
    shown = [replace(one, question_id=question) for question in ("7", "again") for one in words.values()]
    (pair,), left_out = pairs_of(ratings, shown)
    assert (pair.id, pair.chosen, pair.rejected, pair.weight) == (
        "ward/list/7/1",
        "It is x.",
        "It is y.",
        0.75,
    )
    assert (pair.made_by["chosen_by"], sorted(pair.made_by["raters"])) == (["x"], ["r1", "r2"])
    assert left_out == {}


def test_ratings_of_answers_that_are_not_here_are_refused() -> None:
    rating = Rating(
        question_id="8",
        dataset="ward",
        split="list",
        adapter="x",
        answer_sha256="0" * 64,
        rater="r1",
        misunderstanding="none",
    )
    with pytest.raises(BadInput, match="ward/list/8"):
        pairs_of([rating], [prediction("x", "Yes.")])
