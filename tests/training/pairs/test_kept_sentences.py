"""Sentence masks: wrong sentences out of the chosen, right ones out of the rejected."""

from collections.abc import Callable
from typing import Any

import pytest

from training.pairs.kept_sentences import KeptSentences
from training.pairs.own_answer import OwnAnswer
from training.pairs.step import Draft, Dropped
from zoo.errors import BadInput

Make = Callable[..., Any]
TRUTH = "CT of the liver. There is a cyst on the left."
ANSWER = "CT of the liver. There is a cyst on the right. It is round."


def kept(made: Draft) -> tuple[list[str], list[str]]:
    assert made.rejected is not None
    assert made.chosen_spans is not None
    assert made.rejected_spans is not None
    return (
        [made.chosen[a:b] for a, b in made.chosen_spans],
        [made.rejected[a:b] for a, b in made.rejected_spans],
    )


def test_after_the_policys_answer_the_sentences_that_contradict_the_truth_count(
    make_draft: Make, make_tools: Make, answering: Make
) -> None:
    use = make_tools(policy=answering(ANSWER))
    (made,) = KeptSentences().run(OwnAnswer().run([make_draft(TRUTH, kind="report")], use), use)  # type: ignore[arg-type]
    assert isinstance(made, Draft)
    assert (made.chosen, made.rejected) == (TRUTH, ANSWER)
    assert isinstance(made, Draft)
    assert kept(made) == ([TRUTH], ["There is a cyst on the right."])
    assert made.made_by == {
        "writer": "the policy's greedy answer",
        "policy": "scripted@0",
        "judge": "rule-based judge 1",
    }


def test_a_hallucinated_sentence_goes_out_of_the_chosen(make_draft: Make, make_tools: Make) -> None:
    one = make_draft(TRUTH, kind="report", rejected="MRI of the liver.")
    one = one.having({}, chosen=ANSWER)
    (made,) = KeptSentences().run([one], make_tools())
    assert isinstance(made, Draft)
    assert kept(made) == (["CT of the liver.", "It is round."], ["MRI of the liver."])


@pytest.mark.parametrize(
    ("truth", "options", "rejected", "spans"),
    [
        ("No", ("Yes", "No"), "Yes. There is a mass.", (["No"], ["Yes. There is a mass."])),
        ("Circular", (), "Oval", (["Circular"], ["Oval"])),
    ],
)
def test_a_closed_or_short_answer_is_wrong_as_a_whole(
    make_draft: Make, make_tools: Make, truth: str, options: Any, rejected: str, spans: Any
) -> None:
    (made,) = KeptSentences().run([make_draft(truth, options=options, rejected=rejected)], make_tools())
    assert isinstance(made, Draft)
    assert kept(made) == spans


@pytest.mark.parametrize("rejected", ["Yes, a mass.", "..."])
def test_a_pair_in_which_nothing_counts_is_dropped(make_draft: Make, make_tools: Make, rejected: str) -> None:
    one = make_draft("Yes", options=("Yes", "No"), rejected=rejected)
    assert KeptSentences().run([one], make_tools()) == [Dropped(one, "no span")]


def test_a_language_model_tells_sentences_apart_and_the_truth_is_not_put_to_it(
    make_draft: Make, make_tools: Make, scripted_writer: Make
) -> None:
    writer = scripted_writer([{"hallucinated": [3, 1]}, {"hallucinated": [4]}, "no usable reply"])
    drafts = [make_draft(TRUTH, kind="report", number=n, rejected=ANSWER) for n in (1, 2, 3)]
    made, broken, failed = KeptSentences().run(drafts, make_tools(writer=writer))
    assert isinstance(made, Draft)
    assert kept(made) == ([TRUTH], ["CT of the liver.", "It is round."])
    assert made.made_by["judge"] == "writer-1 judge_sentences@1"
    assert broken == Dropped(drafts[1], "no usable verdict")
    assert failed == Dropped(drafts[2], "judge: no usable reply")
    assert len(writer.asked) == 3
    assert "2. There is a cyst on the right.\n3. It is round." in writer.asked[0].text


def test_without_a_rejected_response_the_record_is_named(make_draft: Make, make_tools: Make) -> None:
    with pytest.raises(BadInput, match="q/1/pair"):
        KeptSentences().run([make_draft("left")], make_tools())
