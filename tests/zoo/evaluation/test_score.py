"""Scoring stored answers: the rules by answer type, and what may not be compared."""

from dataclasses import replace

import pytest

from zoo.errors import BadInput
from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.metrics.vqa import correct, open_recall
from zoo.evaluation.score import as_evaluations, score_predictions
from zoo.evaluation.table import score_table
from zoo.records import AnswerType, Prediction


def prediction(
    answer: str,
    truth: str,
    *,
    kind: AnswerType = "open",
    options: tuple[str, ...] = (),
    adapter: str = "base",
    number: int = 0,
) -> Prediction:
    return Prediction(
        question_id=f"q/{number}",
        dataset="phantom",
        split="test",
        images=(f"scan-{number}.png",),
        prompt="?",
        truth=truth,
        answer_type=kind,
        question_type="side",
        options=options,
        error_types=("SLC",),
        base="phantom@0",
        adapter=adapter,
        variant=adapter,
        digest="",
        answer=answer,
        tokens=3,
    )


@pytest.mark.parametrize(
    ("answer", "truth", "options", "right"),
    [
        ("Yes, it is.", "yes", (), 1.0),
        ("There is no nodule", "No", (), 1.0),
        ("A nodule is seen", "No", (), 0.0),  # "no" inside of a word does not count
        ("No. Yes.", "Yes", (), 0.0),
        ("It is an MRI", "MRI", ("CT", "MRI"), 1.0),
        ("CT or MRI", "MRI", ("CT", "MRI"), 0.0),
        ("right upper lobe", "right upper lobe", ("upper lobe", "right upper lobe"), 1.0),
        ("", "left", ("left", "right"), 0.0),
        ("There is no nodule but a mass", "No finding", ("No finding", "Mass"), 0.0),
    ],
)
def test_closed_answers(answer: str, truth: str, options: tuple[str, ...], right: float) -> None:
    assert correct(prediction(answer, truth, kind="closed", options=options)) == right


@pytest.mark.parametrize(
    ("answer", "truth", "right", "recall"),
    [
        ("Left upper zone.", "left upper zone", 1.0, 1.0),
        ("left lower zone", "left upper zone", 0.0, 2 / 3),
        ("the left upper zone", "left upper zone", 0.0, 1.0),
    ],
)
def test_open_answers(answer: str, truth: str, right: float, recall: float) -> None:
    assert correct(prediction(answer, truth)) == right
    assert open_recall(prediction(answer, truth)) == pytest.approx(recall)


def test_a_report_is_right_when_it_states_the_same_facts_in_other_words() -> None:
    truth = "CT of the liver. There is a small cyst in the upper zone of the right side of the liver."
    same = "Liver CT: small cyst, right, upper zone."
    assert correct(prediction(same, truth, kind="report")) == 1.0
    assert correct(prediction(same.replace("right", "left"), truth, kind="report")) == 0.0
    assert correct(prediction(same + " Large mass.", truth, kind="report")) == 0.0


def three_adapters() -> list[Prediction]:
    """100 questions: the base is right on 40, SFT on those and 30 more, the variant on SFT's less 2."""
    found = []
    for adapter, right in (("base", 40), ("sft", 70), ("mdpo", 68)):
        found += [
            prediction("left" if n < right else "right", "left", adapter=adapter, number=n)
            for n in range(100)
        ]
    return found


def test_scores_stand_beside_base_and_sft_with_paired_differences() -> None:
    scores = {
        s.adapter: s
        for s in score_predictions(three_adapters())
        if (s.subset, s.metric) == ("all", "accuracy")
    }
    assert [s.interval.value for s in scores.values()] == [0.4, 0.7, 0.68]
    sft, mdpo = scores["sft"], scores["mdpo"]
    assert sft.over_base is not None
    assert sft.over_base.value == pytest.approx(0.3)
    assert not sft.over_base.holds_zero
    assert mdpo.over_sft is not None
    assert mdpo.over_sft.value == pytest.approx(-0.02)
    assert mdpo.over_sft.holds_zero
    assert (mdpo.base_value, mdpo.sft_value) == (0.4, 0.7)
    assert scores["base"].over_base is None


def test_a_difference_whose_interval_holds_zero_is_printed_as_none() -> None:
    lines = {
        line.split()[0]: line
        for line in score_table(score_predictions(three_adapters())).splitlines()
        if line
    }
    assert "+30.0%" in lines["sft"]
    assert "no difference" in lines["mdpo"]


def test_the_sft_adapter_is_found_by_its_variant_and_its_absence_is_said() -> None:
    answers = [replace(p, adapter=f"me/{p.adapter}") if p.adapter != "base" else p for p in three_adapters()]
    mdpo = next(s for s in score_predictions(answers) if s.adapter == "me/mdpo" and s.subset == "all")
    assert mdpo.sft_value == 0.7
    alone = score_predictions([p for p in answers if p.variant != "sft"])
    assert "No SFT adapter is among them" in score_table(alone)
    assert "No SFT adapter" not in score_table(score_predictions(answers))
    with pytest.raises(BadInput, match="no adapter is named 'sfd'"):
        score_predictions(answers, sft="sfd")
    twice = [*answers, *(replace(p, adapter="me/sft2") for p in answers if p.variant == "sft")]
    with pytest.raises(BadInput, match="several SFT adapters"):
        score_predictions(twice)


def test_subsets_are_counted_each() -> None:
    scores = score_predictions(three_adapters())
    assert {(s.subset, s.interval.n) for s in scores} == {
        ("all", 100),
        ("open", 100),
        ("side", 100),
        ("SLC", 100),
    }


def test_adapters_that_answered_other_questions_are_refused() -> None:
    answers = three_adapters()
    with pytest.raises(BadInput, match="did not answer the same questions of phantom/test: 1 differ"):
        score_predictions(answers[:-1])
    with pytest.raises(BadInput, match="twice"):
        score_predictions([*answers, answers[0]])
    with pytest.raises(BadInput, match="no predictions"):
        score_predictions([])


def test_a_benchmark_has_the_same_fingerprint_whatever_the_answers_and_another_when_a_truth_changes() -> None:
    answers = three_adapters()
    assert benchmark_fingerprint(answers) == benchmark_fingerprint(answers[:100][::-1])
    assert benchmark_fingerprint(answers) != benchmark_fingerprint(
        [replace(p, truth="both") for p in answers]
    )


def test_scores_in_the_manifests_form_say_on_what_they_rest() -> None:
    answers = three_adapters()
    found = as_evaluations(score_predictions(answers), answers, "sft")
    whole = next(e for e in found if e.subset == "all" and e.metric == "accuracy")
    assert (whole.value, whole.n, whole.base_value, whole.judge) == (0.7, 100, 0.4, "rules")
    assert whole.fingerprint == benchmark_fingerprint(answers)
