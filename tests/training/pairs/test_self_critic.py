"""Self-criticism: the greedy answer against a sample, the verdict of the policy itself or of the rules."""

from collections.abc import Callable
from typing import Any

import pytest

from training.pairs.self_critic import SelfCritic, read_verdict
from training.pairs.step import Draft, Dropped, Request

Make = Callable[..., Any]


def saying(greedy: str, sample: str, verdict: str = "") -> Callable[[Request, int | None], Any]:
    def say(request: Request, n: int | None) -> Any:
        if "[[1]]" in request.prompt:
            assert n is None
            assert "True answer: left" in request.prompt
            assert f"[Response 1] {sample}\n[Response 2] {greedy}\n" in request.prompt
            return verdict
        return greedy if n is None else [sample] * n

    return say


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("The first is right: [[1]]", ("a", "b")), ("[[1]], or rather [[2]]", ("b", "a"))],
)
def test_the_last_verdict_decides(
    make_draft: Make, make_tools: Make, policy_of: Make, verdict: str, expected: tuple[str, str]
) -> None:
    policy = policy_of(saying("b", "a", verdict), can_judge=True)
    (made,) = SelfCritic().run([make_draft("left")], make_tools(policy=policy))
    assert isinstance(made, Draft)
    assert (made.chosen, made.rejected) == expected
    assert made.made_by["judge"] == "scripted@0 self_critic@1"
    assert (made.made_by["temperature"], made.made_by["top_p"]) == (0.8, 0.9)


@pytest.mark.parametrize(
    ("greedy", "sample", "can_judge", "reason"),
    [
        ("b", "a", True, "no usable verdict"),
        ("Same.", "same. ", True, "both answers are the same"),
        ("", "a", True, "empty answer"),
        ("right", "bilateral", False, "tied scores"),
    ],
)
def test_without_a_winner_the_draft_is_dropped_with_a_reason(
    make_draft: Make,
    make_tools: Make,
    policy_of: Make,
    greedy: str,
    sample: str,
    can_judge: bool,
    reason: str,
) -> None:
    policy = policy_of(saying(greedy, sample, "both [1] and 2"), can_judge=can_judge)
    (made,) = SelfCritic().run([make_draft("left")], make_tools(policy=policy))
    assert isinstance(made, Dropped)
    assert made.reason == reason


def test_a_policy_that_cannot_judge_has_the_rules_for_a_judge(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    for greedy, sample in (("on the left", "on the right"), ("on the right", "on the left")):
        (made,) = SelfCritic().run([make_draft("left")], make_tools(policy=policy_of(saying(greedy, sample))))
        assert isinstance(made, Draft)
        assert (made.chosen, made.rejected) == ("on the left", "on the right")
        assert made.made_by["judge"] == "rule-based judge 1"


def test_drafts_stay_in_their_places_beside_dropped_ones(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    def say(request: Request, n: int | None) -> Any:
        greedy = "left" if request.question_id == "q/2" else "right"
        return greedy if n is None else ["right"]

    drafts = [make_draft("left", number=n) for n in (1, 2, 3)]
    made = SelfCritic().run(drafts, make_tools(policy=policy_of(say)))
    assert [isinstance(one, Draft) for one in made] == [False, True, False]


def test_a_verdict_is_read_with_blanks_in_it() -> None:
    assert [read_verdict(text) for text in ("[[ 2 ]]", "[[3]]", "")] == [
        2,
        "no usable verdict",
        "no usable verdict",
    ]
