"""Weights: a debate that ends as told, rules that say so, and the region's confidence."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from training.pairs.relevance import Relevance, RoiConfidence
from training.pairs.step import Draft, Dropped, Tools
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.llm import Failed, Prompt, Reply
from zoo.records import Question


@dataclass
class Debater:
    """Says its scores in turn to every prompt; None is a failure, "agree" agreement."""

    name: str
    says: list[float | str | None]
    asked: list[list[Prompt]] = field(default_factory=list)

    def replies(self, prompts: Sequence[Prompt], reply: type[Reply]) -> list[Reply | Failed]:
        said = self.says[len(self.asked)]
        self.asked.append(list(prompts))
        if said is None:
            return [Failed("malformed reply")] * len(prompts)
        agree = said == "agree"
        return [reply.model_validate({"score": 0.99 if agree else said, "agree": agree})] * len(prompts)


def draft(
    chosen: str = "left lung", rejected: str | None = "right lung", number: int = 1, **how: Any
) -> Draft:
    question = Question(
        id=f"q/{number}",
        dataset="phantom",
        split="train",
        images=("one.png",),
        prompt="Where is it?",
        answer=chosen,
        answer_type="open",
        question_type="side",
    )
    prompt, seed = question.prompt, number
    return Draft(
        question=question,
        images=(),
        seed=seed,
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        made_by=how,
        half="text",
    )


def tools(*debaters: Debater) -> Tools:
    questions = QuestionSet(
        name="phantom", split="train", license="MIT", questions=(), open_image=_nothing, regions=_nothing
    )
    return Tools(questions=questions, seed=0, debaters=debaters)


def _nothing(*_: Any) -> Any:
    raise AssertionError("a weight needs no picture")


def debate(*debaters: Debater, step: Relevance | None = None) -> tuple[float | None, Any, Any]:
    """Weight, history and maker of one draft."""
    (done,) = (step or Relevance()).run([draft()], tools(*debaters))
    assert isinstance(done, Draft)
    return done.weight, done.made_by["debate"], done.made_by["weighed_by"]


def test_all_agree_in_turn_and_the_score_stands() -> None:
    weight, history, by = debate(
        Debater("a", [0.4, "agree"]), Debater("b", [0.8, "agree"]), Debater("c", ["agree"])
    )
    assert (weight, history) == (0.8, [0.4, 0.8, 0.8, 0.8])
    assert by == "a, b, c relevance@1"


def test_saying_the_score_so_far_again_is_agreement() -> None:
    assert debate(Debater("a", [0.4]), Debater("b", [0.4]))[:2] == (0.4, [0.4, 0.4])


def test_without_consensus_the_weight_is_the_mean_of_all_turns_of_five_rounds() -> None:
    a, b = Debater("a", [0.1, 0.2, 0.3, 0.4, 0.5]), Debater("b", [0.6, 0.7, 0.8, 0.9, 1.0])
    weight, history, _ = debate(a, b)
    assert history == [0.1, 0.6, 0.2, 0.7, 0.3, 0.8, 0.4, 0.9, 0.5, 1.0]
    assert weight == 0.55


def test_fewer_rounds_end_the_debate_sooner() -> None:
    assert debate(Debater("a", [0.1]), Debater("b", [0.6]), step=Relevance(rounds=1))[:2] == (
        0.35,
        [0.1, 0.6],
    )
    with pytest.raises(BadInput, match="a debate of 0 rounds"):
        Relevance(rounds=0)


def test_a_single_model_gives_its_first_score() -> None:
    unused = Debater("b", [])
    found = debate(Debater("a", [0.123]), unused, step=Relevance(models="single"))
    assert found == (0.12, [0.12], "a relevance@1")
    assert unused.asked == []


def test_debaters_see_the_pair_and_the_score_so_far_and_all_drafts_advance_together() -> None:
    a, b = Debater("a", [0.0, "agree"]), Debater("b", [0.75])
    Relevance().run([draft(), draft("CT", "MRI", 2)], tools(a, b))
    assert [len(turn) for turn in (*a.asked, *b.asked)] == [2, 2, 2]
    first, second = a.asked[0][1].text, b.asked[0][1].text
    for shown in ("Where is it?", "True answer: CT\n", "False answer: MRI\n"):
        assert shown in first
        assert shown in second
    assert "score so far" not in first
    assert "The score so far is 0.00." in second
    assert "The score so far is 0.75." in a.asked[1][0].text


def test_a_debate_without_a_usable_score_drops_the_draft_and_asks_no_further() -> None:
    a, b = Debater("a", [0.4]), Debater("b", [None])
    one = draft()
    assert Relevance().run([one], tools(a, b)) == [Dropped(one, "no usable relevance score")]
    assert (len(a.asked), len(b.asked)) == (1, 1)


@pytest.mark.parametrize(
    ("chosen", "rejected", "weight"),
    [
        ("left lung", "right lung", 0.5),  # one of two facts
        ("left lung", "right kidney", 1.0),
        ("Yes", "No", 1.0),
        ("no effusion", "effusion", 1.0),
        ("left lung", "left lung and more", 0.1),
        ("42 mm", "17 mm", 0.1),
    ],
)
def test_without_models_the_weight_is_the_share_of_facts_that_are_contradicted(
    chosen: str, rejected: str, weight: float
) -> None:
    (done,) = Relevance().run([draft(chosen, rejected)], tools())
    assert isinstance(done, Draft)
    assert (done.weight, done.made_by) == (weight, {"weighed_by": "rule-based judge 1"})


@pytest.mark.parametrize("debaters", [[], [Debater("a", [0.5])]])
def test_a_draft_without_a_rejected_response_is_an_error_that_names_it(debaters: list[Debater]) -> None:
    with pytest.raises(BadInput, match="q/1/text: a step reads its rejected response"):
        Relevance().run([draft(rejected=None)], tools(*debaters))


def test_the_regions_confidence_becomes_the_weight_and_its_absence_is_counted() -> None:
    sure, unknown = draft(roi_confidence=0.8), draft(number=2)
    done, dropped = RoiConfidence().run([sure, unknown], tools())
    assert isinstance(done, Draft)
    assert done.weight == 0.8
    assert done.made_by == {"roi_confidence": 0.8, "weighed_by": "confidence of the region"}
    assert dropped == Dropped(unknown, "no confidence of the region")


@pytest.mark.parametrize("confidence", [1.5, -0.1, float("nan")])
def test_a_confidence_that_is_none_is_an_error_that_names_the_pair(confidence: float) -> None:
    with pytest.raises(BadInput, match="q/1/text: the region's confidence"):
        RoiConfidence().run([draft(roi_confidence=confidence)], tools())
