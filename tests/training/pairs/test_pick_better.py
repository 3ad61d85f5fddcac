"""Two answers of the policy: a language model picks, or the rules where there is a truth."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from training.pairs.pick_better import PickBetter
from training.pairs.step import Draft, Dropped

Make = Callable[..., Any]
TWO = ["on the right", "on the left"]


def unknown(draft: Draft) -> Draft:
    """The draft with a question that the policy asked itself."""
    return replace(draft, chosen="", prompt="Solid?", question=replace(draft.question, answer=""))


@pytest.mark.parametrize(("better", "expected"), [(1, tuple(TWO)), (2, tuple(TWO[::-1]))])
def test_a_language_model_picks_with_the_truth_in_view(
    make_draft: Make,
    make_tools: Make,
    policy_of: Make,
    scripted_writer: Make,
    better: int,
    expected: tuple[str, str],
) -> None:
    writer = scripted_writer([{"better": better}])
    (made,) = PickBetter().run(
        [make_draft("left")], make_tools(policy=policy_of(lambda request, n: TWO), writer=writer)
    )
    assert isinstance(made, Draft)
    assert (made.chosen, made.rejected) == expected
    assert made.made_by["judge"] == "writer-1 pick_better@1"
    assert "True answer: left" in writer.asked[0].text


def test_of_a_question_without_a_known_answer_the_model_is_told_what_is_known_of_the_image(
    make_draft: Make, make_tools: Make, policy_of: Make, scripted_writer: Make
) -> None:
    one = make_draft("left", prompt="Which side?")
    other = replace(make_draft("MRI").question, images=("2.png",))
    writer = scripted_writer([{"better": 2}])
    use = make_tools(policy=policy_of(lambda request, n: TWO), writer=writer)
    use = replace(use, questions=replace(use.questions, questions=(one.question, other)))
    (made,) = PickBetter().run([unknown(one)], use)
    assert isinstance(made, Draft)
    assert made.chosen == "on the left"
    text = writer.asked[0].text
    assert "What is known of the image:\n- Which side? left\n" in text
    assert "True answer" not in text
    assert "MRI" not in text


@pytest.mark.parametrize(
    ("reply", "reason"), [({"better": 0}, "tied scores"), ("no usable reply", "judge: no usable reply")]
)
def test_without_a_pick_the_draft_is_dropped(
    make_draft: Make, make_tools: Make, policy_of: Make, scripted_writer: Make, reply: Any, reason: str
) -> None:
    one = make_draft("left")
    use = make_tools(policy=policy_of(lambda request, n: TWO), writer=scripted_writer([reply]))
    assert PickBetter().run([one], use) == [Dropped(one, reason)]


def test_without_a_language_model_the_rules_pick_where_there_is_a_truth(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    one = make_draft("left")
    made, dropped = PickBetter().run(
        [one, unknown(one)], make_tools(policy=policy_of(lambda request, n: TWO))
    )
    assert isinstance(made, Draft)
    assert (made.chosen, made.rejected) == ("on the left", "on the right")
    assert made.made_by["judge"] == "rule-based judge 1"
    assert dropped == Dropped(unknown(one), "no truth to judge by")


def test_two_equal_answers_are_not_judged(
    make_draft: Make, make_tools: Make, policy_of: Make, scripted_writer: Make
) -> None:
    writer = scripted_writer([])
    one = make_draft("left")
    made = PickBetter().run(
        [one], make_tools(policy=policy_of(lambda request, n: ["Left", "left "]), writer=writer)
    )
    assert made == [Dropped(one, "both answers are the same")]
    assert writer.asked == []
