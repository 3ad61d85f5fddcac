"""Questions of the policy's own, and the data set's where it cannot ask."""

from collections.abc import Callable
from typing import Any

import pytest

from training.pairs.ask_questions import AskQuestions
from training.pairs.step import Draft, Dropped, Request

Make = Callable[..., Any]


def test_a_policy_asks_a_question_of_its_own_whose_answer_nobody_knows(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    seen: list[Request] = []

    def say(request: Request, n: int | None) -> list[str]:
        seen.append(request)
        return ["Question: Is the 3.5 cm mass solid? Or what?"] * (n or 0)

    one = make_draft("Yes", options=("Yes", "No"))
    (made,) = AskQuestions().run([one], make_tools(policy=policy_of(say, can_judge=True)))
    assert isinstance(made, Draft)
    assert made.prompt == made.question.prompt == "Is the 3.5 cm mass solid?"
    assert (made.chosen, made.question.answer, made.question.options) == ("", "", ())
    assert (made.id, made.question.images) == (one.id, one.question.images)
    assert made.made_by == {"asked_by": "scripted@0 ask_question@1", "asked_at_temperature": 1.2}
    assert "Yes" not in seen[0].prompt
    assert seen[0].seed != one.seed


@pytest.mark.parametrize("reply", ["", "A mass.", "?"])
def test_a_reply_without_a_question_is_dropped(
    make_draft: Make, make_tools: Make, policy_of: Make, reply: str
) -> None:
    policy = policy_of(lambda request, n: [reply] * n, can_judge=True)
    (made,) = AskQuestions().run([make_draft("left")], make_tools(policy=policy))
    assert isinstance(made, Dropped)
    assert made.reason == "no question in the reply"


def test_for_a_policy_that_cannot_ask_the_data_sets_question_stands_in_and_is_named(
    make_draft: Make, make_tools: Make, policy_of: Make
) -> None:
    one = make_draft("left")
    (made,) = AskQuestions().run([one], make_tools(policy=policy_of(lambda request, n: ["left"] * n)))
    assert made == one.having({"asked_by": "the data set, for a policy that cannot ask"})
