"""The policy's own greedy answer as the rejected response, to the true image or to the rejected one."""

import pytest
from PIL import Image

from training.pairs.answer_to_rejected_image import AnswerToRejectedImage
from training.pairs.own_answer import OwnAnswer
from training.pairs.step import Draft, Dropped
from zoo.errors import BadInput

CLEAN, WORSE = (Image.new("L", (4, 4)),), (Image.new("L", (4, 4), 9),)


@pytest.mark.parametrize(
    ("step", "seen", "kept", "writer"),
    [
        (OwnAnswer(), CLEAN, WORSE, "the policy's greedy answer"),
        (AnswerToRejectedImage(), WORSE, WORSE, "the policy's greedy answer to the rejected image"),
        (
            AnswerToRejectedImage(keep_image=False),
            WORSE,
            None,
            "the policy's greedy answer to the rejected image",
        ),
    ],
)
def test_the_policy_is_asked_about_the_right_image_and_the_pair_keeps_what_the_step_says(  # type: ignore[no-untyped-def]
    step, seen, kept, writer, make_draft, make_tools, policy_of
) -> None:
    asked = []
    policy = policy_of(lambda request, n: asked.append(request) or "right")
    draft = make_draft("left", seed=5, images=CLEAN, rejected_images=WORSE)
    (came,) = step.run([draft], make_tools(policy=policy))
    assert isinstance(came, Draft)
    assert (asked[0].images, asked[0].prompt, asked[0].seed) == (seen, "What is it?", 5)
    assert (came.chosen, came.rejected, came.rejected_images) == ("left", "right", kept)
    assert came.made_by == {"writer": writer, "policy": "scripted@0"}


@pytest.mark.parametrize("step", [OwnAnswer(), AnswerToRejectedImage()])
def test_a_blank_answer_gives_no_pair(step, make_draft, make_tools, answering) -> None:  # type: ignore[no-untyped-def]
    draft = make_draft("left", rejected_images=WORSE)
    assert step.run([draft], make_tools(policy=answering(" "))) == [Dropped(draft, "empty answer")]


def test_without_a_rejected_image_there_is_nothing_to_answer(make_draft, make_tools, answering) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match="q/1/pair: the policy is to answer a rejected image"):
        AnswerToRejectedImage().run([make_draft("left")], make_tools(policy=answering("right")))
