"""Self-rewarding: the best of the policy's samples over its worst, by its own grades or the rules'."""

from collections.abc import Callable
from typing import Any

import pytest

from training.pairs.self_rewarding import SelfRewarding, read_grade
from training.pairs.step import Draft, Dropped, Request

Make = Callable[..., Any]
SAMPLES = ["on the left", "on the right", "on the left", "somewhere"]


def judging(grades: dict[str, list[str]]) -> Callable[[Request, int | None], Any]:
    """Says the samples to the question, and the listed replies to a prompt that holds their answer."""

    def say(request: Request, n: int | None) -> list[str]:
        if "Score:" not in request.prompt:
            assert n == 4
            return SAMPLES
        return next(replies for text, replies in grades.items() if f"Response: {text}\n" in request.prompt)

    return say


def test_the_policys_own_mean_grade_picks_best_and_worst(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    grades = {
        "on the left": ["Score: 2", "Score: 3", "I cannot say."],
        "on the right": ["good. Score: 4", "**Score:** 5/5", "Score: 3"],
        "somewhere": ["Score: 3", "Score: 3", "Score: 3"],
    }
    policy = policy_of(judging(grades), can_judge=True)
    (made,) = SelfRewarding().run([make_draft("left")], make_tools(policy=policy))
    assert isinstance(made, Draft)
    assert (made.chosen, made.rejected) == ("on the right", "on the left")
    assert made.made_by == {
        "writer": "the policy's own samples",
        "policy": "scripted@0",
        "judge": "scripted@0 self_rewarding@1",
        "temperature": 0.7,
        "top_p": 0.9,
        "scores": [4.0, 2.5],
        "reads_without_score": 1,
    }


def test_the_truth_is_not_shown_to_the_policy_that_judges_itself(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    seen: list[str] = []

    def say(request: Request, n: int | None) -> list[str]:
        seen.append(request.prompt)
        return ["a", "b", "c", "d"][:n]

    SelfRewarding().run([make_draft("the truth itself")], make_tools(policy=policy_of(say, can_judge=True)))
    assert len(seen) == 5
    assert not any("the truth itself" in prompt for prompt in seen)


@pytest.mark.parametrize(("reply", "reason"), [("Score: 3", "tied scores"), ("no idea", "no usable verdict")])
def test_ties_and_answers_without_grades_are_dropped(
    make_draft: Make, make_tools: Make, policy_of: Make, reply: str, reason: str
) -> None:
    policy = policy_of(judging(dict.fromkeys(SAMPLES, [reply] * 3)), can_judge=True)
    (made,) = SelfRewarding().run([make_draft("left")], make_tools(policy=policy))
    assert isinstance(made, Dropped)
    assert made.reason == reason


def test_a_single_graded_answer_is_no_pair(make_draft: Make, make_tools: Make, policy_of: Make) -> None:
    grades = {text: ["?"] * 3 for text in SAMPLES} | {"somewhere": ["Score: 1"] * 3}
    policy = policy_of(judging(grades), can_judge=True)
    (made,) = SelfRewarding().run([make_draft("left")], make_tools(policy=policy))
    assert isinstance(made, Dropped)
    assert made.reason == "no usable verdict"


def test_a_policy_that_cannot_judge_has_the_rules_for_a_judge(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    (made,) = SelfRewarding().run(
        [make_draft("left")], make_tools(policy=policy_of(lambda request, n: SAMPLES))
    )
    assert isinstance(made, Draft)
    assert (made.chosen, made.rejected) == ("on the left", "on the right")
    assert made.made_by["judge"] == "rule-based judge 1"
    assert made.made_by["scores"] == [5.0, 0.0]
    (empty,) = SelfRewarding().run(
        [make_draft("left")], make_tools(policy=policy_of(lambda request, n: [""] * n))
    )
    assert isinstance(empty, Dropped)
    assert empty.reason == "empty answer"


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("Score: 4", 4),
        ("score is 3.5.", 3.5),
        ("Total score (0-5): **2**", 2),
        ("Score: 1\nNo, once more.\nScore: 5", 5),
        ("Score: 0 out of 5", 0),
        ("Score: 9", None),
        ("Score: -1", None),
        ("four points", None),
        ("", None),
    ],
)
def test_a_grade_is_read_from_plain_words(reply: str, grade: float | None) -> None:
    assert read_grade(reply) == grade
