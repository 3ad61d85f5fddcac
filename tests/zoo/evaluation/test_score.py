"""Scoring stored answers: the rules by answer type, and what may not be compared."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.zoo.evaluation._answers import BASE_PINNED, answers, verdict
from zoo.errors import BadInput
from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.evaluations import as_evaluations
from zoo.evaluation.metrics.vqa import correct, open_recall
from zoo.evaluation.score import Score, score_predictions
from zoo.evaluation.table import score_table, unread_lines
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
        ("Yes.The lung is clear", "yes", (), 1.0),  # a space is missing
        ("**No**", "no", (), 1.0),
        ("no-contrast CT, yes", "no", (), 0.0),  # a part of a word is no word
        ("yes/no", "yes", (), 0.0),
        ("left", "left", ("Left", "left", "right"), 1.0),  # an option that stands there twice
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
    found = [replace(p, adapter=f"me/{p.adapter}") if p.adapter != "base" else p for p in three_adapters()]
    mdpo = next(s for s in score_predictions(found) if s.adapter == "me/mdpo" and s.subset == "all")
    assert mdpo.sft_value == 0.7
    alone = score_predictions([p for p in found if p.variant != "sft"])
    assert "No SFT adapter is among them" in score_table(alone)
    assert "No SFT adapter" not in score_table(score_predictions(found))
    with pytest.raises(BadInput, match="no adapter is named 'sfd'"):
        score_predictions(found, sft="sfd")
    twice = [*found, *(replace(p, adapter="me/sft2") for p in found if p.variant == "sft")]
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
    found = three_adapters()
    with pytest.raises(BadInput, match="did not answer the same questions of phantom/test: 1 differ"):
        score_predictions(found[:-1])
    with pytest.raises(BadInput, match="twice"):
        score_predictions([*found, found[0]])
    with pytest.raises(BadInput, match="no predictions"):
        score_predictions([])
    with pytest.raises(BadInput, match="not asked the same under q/99 of phantom/test: truth is another"):
        score_predictions([*found[:-1], replace(found[-1], truth="up")])


def of(scores: Sequence[Score], adapter: str, **keys: str) -> Score:
    """The one score of an adapter; over the whole, of the accuracy, with own pictures unless said."""
    wanted = {"metric": "accuracy", "subset": "all", "shown": "own", "adapter": adapter} | keys
    (found,) = [s for s in scores if all(getattr(s, key) == value for key, value in wanted.items())]
    return found


def test_base_and_sft_come_first_and_the_order_of_lines_moves_no_number() -> None:
    found = [
        *answers("mdpo", "110110", per_image=2),
        *answers("me/sft", "110100", per_image=2, variant="sft"),
        *answers("base", "100100", per_image=2),
    ]
    scores = score_predictions(found, names=["accuracy"])
    assert list(dict.fromkeys(s.adapter for s in scores)) == ["base", "me/sft", "mdpo"]
    shuffled = [found[n] for n in np.random.default_rng(0).permutation(len(found))]
    assert {s.adapter: s for s in score_predictions(shuffled, names=["accuracy"])} == {
        s.adapter: s for s in scores
    }


def test_a_score_does_not_depend_on_which_other_adapters_are_scored_with_it() -> None:
    """Only the correction does, which is for all comparisons made."""
    three = [*answers("base", "1000110010"), *answers("sft", "1100110011"), *answers("mdpo", "1110111011")]
    among = of(score_predictions(three, names=["accuracy"]), "mdpo")
    many = [*three, *answers("dpo", "1010101010")]
    other = of(score_predictions(many, names=["accuracy"]), "mdpo")
    assert among.over_base is not None
    assert other.over_base is not None
    assert (other.interval, other.over_base.low, other.over_base.p) == (
        among.interval,
        among.over_base.low,
        among.over_base.p,
    )
    assert (among.over_base.family, other.over_base.family) == (3, 5)


def test_the_p_value_is_that_of_swapping_answers_image_by_image() -> None:
    """Of ten images of two questions five differ, each by 1: all five swaps must fall one way to come as far,
    2 of 2 ** 5, so 0.0625; though the interval leaves zero out."""
    found = [*answers("base", "1100" * 5, per_image=2), *answers("sft", "1110" * 5, per_image=2)]
    over = of(score_predictions(found, names=["accuracy"]), "sft").over_base
    assert over is not None
    assert over.low > 0
    assert over.p == pytest.approx(0.0625, abs=0.01)


def test_the_whole_benchmark_is_one_family_and_its_parts_are_another() -> None:
    """Two adapters: over base, over base and over SFT, that is 3; times five subsets, 15."""
    kinds = ["MM", "AM", "SLC", "LAS"] * 5
    found = [
        replace(p, error_types=(kind,))
        for adapter, right in (("base", "10" * 10), ("sft", "1" * 20), ("mdpo", "1" * 18 + "00"))
        for p, kind in zip(answers(adapter, right), kinds, strict=True)
    ]
    scores = [s for s in score_predictions(found, names=["accuracy"]) if s.over_base]
    families = {(s.subset == "all", s.over_base.family) for s in scores if s.over_base}
    assert families == {(True, 3), (False, 15)}
    sft = of(scores, "sft").over_base
    assert sft is not None
    assert sft.p < sft.adjusted_p <= 3 * sft.p


def test_a_subset_of_one_image_among_forty_has_an_interval_though_many_resamples_lack_it() -> None:
    found = [
        replace(p, question_type="rare" if n == 7 else "") for n, p in enumerate(answers("base", "10" * 20))
    ]
    rare = of(score_predictions(found, names=["accuracy"]), "base", subset="rare")
    assert rare.interval == Interval(0.0, 0.0, 0.0, 1)
    assert rare.images == 1


def two_benchmarks(adapter: str, one: str, other: str) -> list[Prediction]:
    return [*answers(adapter, one), *answers(adapter, other, dataset="slake")]


def test_macro_is_the_mean_of_benchmarks_and_micro_is_of_all_questions() -> None:
    """The base: 1 of 2, 3 of 8; macro (0.5 + 0.375) / 2 = 0.4375, micro 4 / 10. SFT: 2 of 2, 4 of 8; macro
    0.75, micro 0.6, differences 0.3125 and 0.2."""
    found = [*two_benchmarks("base", "10", "11100000"), *two_benchmarks("sft", "11", "11110000")]
    scores = score_predictions(found, names=["accuracy"])
    values = {(s.adapter, s.dataset): s.interval.value for s in scores if s.subset == "all"}
    assert values == {
        ("base", "phantom"): 0.5,
        ("base", "slake"): 0.375,
        ("base", "micro"): 0.4,
        ("base", "macro"): 0.4375,
        ("sft", "phantom"): 1.0,
        ("sft", "slake"): 0.5,
        ("sft", "micro"): 0.6,
        ("sft", "macro"): 0.75,
    }
    micro, macro = (of(scores, "sft", dataset=dataset) for dataset in ("micro", "macro"))
    assert (micro.interval.n, micro.images, micro.split, micro.base_value) == (10, 10, "", 0.4)
    assert micro.over_base is not None
    assert macro.over_base is not None
    assert micro.over_base.value == pytest.approx(0.2)
    assert macro.over_base.value == pytest.approx(0.3125)


def test_benchmarks_are_drawn_independently_of_each_other() -> None:
    """The same 400 answers as two benchmarks: the mean's interval is narrower by the root of 2. Were they
    drawn alike it would be as wide."""
    right = "1100" * 100
    scores = score_predictions(two_benchmarks("base", right, right), names=["accuracy"])
    one, macro, micro = (of(scores, "base", dataset=d).interval for d in ("phantom", "macro", "micro"))
    assert (macro.high - macro.low) / (one.high - one.low) == pytest.approx(0.5**0.5, abs=0.05)
    assert (macro.low, macro.high) == pytest.approx((micro.low, micro.high))


def test_an_adapter_that_lacks_a_benchmark_has_no_score_over_all() -> None:
    found = [*two_benchmarks("base", "10", "11"), *answers("sft", "11")]
    scores = score_predictions(found, names=["accuracy"])
    assert {s.dataset for s in scores if s.adapter == "sft"} == {"phantom"}
    assert of(scores, "base", dataset="macro").interval.value == 0.75


def test_an_image_ablation_says_what_was_lost_on_the_questions_that_were_asked_again() -> None:
    """Of the first four, asked again with noise, 3 were right and 1 is; of all eight 5 were."""
    own = answers("sft", "11101010", variant="sft")
    noise = answers("sft", "0100", variant="sft", shown="noise")
    base = [*answers("base", "11101010"), *answers("base", "1110", shown="noise")]
    scores = score_predictions([*base, *own, *noise], names=["accuracy"])
    found = of(scores, "sft", shown="noise")
    assert (found.interval.value, found.interval.n, found.own_value) == (0.25, 4, 0.75)
    assert found.lost is not None
    assert found.lost.value == 0.5
    assert (found.lost.low, found.lost.high) == (0.0, 1.0)
    assert (found.base_value, found.over_base) == (0.75, None)
    blind = of(scores, "base", shown="noise")
    assert blind.lost is not None
    assert (blind.lost.value, blind.lost.p) == (0.0, 1.0)
    assert of(scores, "sft").lost is None
    alone = of(
        score_predictions([*answers("base", "1110", shown="noise")], names=["accuracy"]),
        "base",
        shown="noise",
    )
    assert (alone.own_value, alone.lost) == (None, None)


def test_an_unreadable_verdict_is_counted_and_leaves_its_question_out_of_the_pair_too() -> None:
    """The judge calls the base right on q0 and q1, SFT on q0 and q2; nobody can read q1 of SFT. On q0, q2, q3
    the base has 1 of 3, SFT 2 of 3; over all that it can be read on, the base has 2 of 4."""
    base, sft = answers("base", "1100"), answers("sft", "1010")
    said = [verdict(p, p.answer == "left") for p in [*base, *sft]]
    said[5] = verdict(sft[1], "I cannot say")
    scores = score_predictions([*base, *sft], verdicts=said, names=["judge_accuracy"])
    found = of(scores, "sft", metric="judge_accuracy")
    assert found.judge == "invented correct@1"
    assert (found.interval.value, found.interval.n, found.failed) == (pytest.approx(2 / 3), 3, 1)
    assert (found.base_value, found.images) == (0.5, 3)
    assert found.over_base is not None
    assert (found.over_base.value, found.over_base.n) == (pytest.approx(1 / 3), 3)
    assert not np.isnan([found.over_base.low, found.over_base.high, found.interval.low]).any()


def test_one_adapter_that_a_judge_could_not_be_read_on_at_all_ends_nobody_else_s_score() -> None:
    found = [*answers("base", "1100"), *answers("sft", "1010"), *answers("dpo", "1110")]
    said = [verdict(p, "?" if p.adapter == "sft" else p.answer == "left") for p in found]
    scores = score_predictions(found, verdicts=said)
    assert {s.adapter for s in scores if s.metric == "accuracy"} == {"base", "sft", "dpo"}
    judged = {s.adapter: s for s in scores if s.metric == "judge_accuracy" and s.subset == "all"}
    assert {name: s.interval.value for name, s in judged.items()} == {"base": 0.5, "dpo": 0.75}
    assert (judged["dpo"].over_sft, judged["dpo"].sft_value) == (None, None)
    assert judged["dpo"].over_base is not None
    line = "invented correct@1 gave no reply on sft's answers to phantom/test that could be read: 4 answers."
    assert unread_lines(found, said) == [f"NOT SCORED by judge_accuracy: {line}"]
    assert unread_lines(found, said, ["accuracy"]) == []
    assert unread_lines(found, [verdict(p, True) for p in found]) == []


def test_each_judge_has_its_own_scores() -> None:
    base = answers("base", "1100")
    said = [verdict(p, p.answer == "left") for p in base]
    lenient = [verdict(p, True, judge="lenient correct@1") for p in base]
    scores = score_predictions(base, verdicts=[*said, *lenient, *said])
    values = {s.judge: s.interval.value for s in scores if s.metric == "judge_accuracy" and s.subset == "all"}
    assert values == {"invented correct@1": 0.5, "lenient correct@1": 1.0}
    unread = score_predictions(base, verdicts=[verdict(p, "?") for p in base])
    assert "judge_accuracy" not in {s.metric for s in unread}
    with pytest.raises(BadInput, match="says two things of base's answer to q0"):
        score_predictions(base, verdicts=[*said, verdict(base[0], False)])
    with pytest.raises(BadInput, match="has not judged base's answer to q3"):
        score_predictions(base, verdicts=said[:3])
    with pytest.raises(BadInput, match="is on another answer"):
        score_predictions([replace(base[0], answer="up"), *base[1:]], verdicts=said)


def test_a_judge_who_was_asked_about_one_benchmark_is_scored_on_that_one() -> None:
    found = two_benchmarks("base", "10", "11")
    said = [verdict(p, True) for p in found if p.dataset == "slake"]
    scores = score_predictions(found, verdicts=said)
    assert {s.dataset for s in scores if s.metric == "judge_accuracy"} == {"slake"}


def test_pooled_runs_count_a_question_once_with_its_mean_and_differ_from_sft_of_all_seeds() -> None:
    """mdpo has 3 and 1 of 4 right, SFT 2 and 1: 0.5 over 0.375, standard deviations 0.3536 and 0.1768."""
    found = [
        *answers("base", "0000"),
        *answers("sft-0", "1100", variant="sft"),
        *answers("sft-1", "1000", variant="sft", seed=1),
        *answers("mdpo-0", "1110", variant="mdpo"),
        *answers("mdpo-1", "1000", variant="mdpo", seed=1),
    ]
    scores = score_predictions(found, names=["accuracy"], pool=True)
    assert list(dict.fromkeys(s.adapter for s in scores)) == ["base", "sft", "mdpo"]
    mdpo = of(scores, "mdpo")
    assert (mdpo.interval.value, mdpo.interval.n, mdpo.seeds, mdpo.sft_value) == (0.5, 4, 2, 0.375)
    assert mdpo.seed_sd == pytest.approx(0.3536, abs=1e-4)
    assert mdpo.over_sft is not None
    assert mdpo.over_sft.value == pytest.approx(0.125)
    assert of(score_predictions(found, names=["accuracy"], pool=True, sft="sft-1"), "mdpo") == mdpo
    with pytest.raises(BadInput, match="several SFT adapters: sft-0, sft-1"):
        score_predictions(found)
    assert of(score_predictions(found, names=["accuracy"], sft="sft-1"), "mdpo-0").sft_value == 0.25


def test_each_base_is_scored_by_itself() -> None:
    """Adapters of two bases may bear one name, and none is compared across."""
    other = {"base": "qwen@1"}
    found = [
        *answers("base", "1000"),
        *answers("sft", "1100"),
        *answers("base", "1110", **other),
        *answers("sft", "1111", **other),
    ]
    scores = score_predictions(found, names=["accuracy"])
    both = [of(scores, "sft", base=base) for base in (BASE_PINNED, "qwen@1")]
    assert [(s.interval.value, s.base_value) for s in both] == [(0.5, 0.25), (1.0, 0.75)]
    assert [s.over_base.family for s in both if s.over_base] == [1, 1]
    assert f"BASE {BASE_PINNED}" in score_table(scores)
    found += answers("dpo", "1110", **other)
    over = {
        s.base: s.sft_value
        for s in score_predictions(found, sft="dpo")
        if s.adapter == "sft" and s.subset == "all"
    }
    assert over == {BASE_PINNED: 0.5, "qwen@1": 0.75}
    with pytest.raises(BadInput, match="no adapter is named 'dop'"):
        score_predictions(found, sft="dop")


def test_a_benchmark_has_the_same_fingerprint_whatever_the_answers_and_another_when_a_truth_changes() -> None:
    found = three_adapters()
    assert benchmark_fingerprint(found) == benchmark_fingerprint(found[:100][::-1])
    assert benchmark_fingerprint(found) != benchmark_fingerprint([replace(p, truth="both") for p in found])


def test_scores_in_the_manifests_form_say_on_what_they_rest() -> None:
    found = three_adapters()
    evaluations = as_evaluations(score_predictions(found), found, "sft")
    whole = next(e for e in evaluations if e.subset == "all" and e.metric == "accuracy")
    assert (whole.value, whole.n, whole.base_value, whole.judge) == (0.7, 100, 0.4, "rules")
    assert whole.fingerprint == benchmark_fingerprint(found)
