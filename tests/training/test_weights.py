"""Weights of pairs: three ways to normalise them, and what is refused."""

import math

import pytest

from training.objective import Weighting
from training.weights import normalise
from zoo.errors import BadRecord
from zoo.records import PreferencePair


def pair(weight: float | None, *, name: str = "p", visual: bool = False) -> PreferencePair:
    """A text pair, or a visual one."""
    return PreferencePair(
        id=name,
        question_id="q",
        images=("images/a.png",),
        prompt="What is shown?",
        chosen="a nodule",
        rejected=None if visual else "a mass",
        rejected_images=("rejected/a.png",) if visual else None,
        weight=weight,
    )


def test_raw_weights_stay_as_they_are() -> None:
    assert normalise([pair(0.3), pair(1.0), pair(0.0)], "raw") == [0.3, 1.0, 0.0]


def test_read_literally_every_score_from_0_to_1_becomes_three_quarters() -> None:
    """(s - 1) / sqrt(0.1) runs from -3.16 at s = 0 to 0 at s = 1: all below the lower bound 0.75."""
    assert normalise([pair(tenth / 10) for tenth in range(11)], "paper_literal") == [0.75] * 11


def test_read_literally_scores_above_1_move_by_their_distance_in_sigmas() -> None:
    """(1.3 - 1) / 0.31622777 = 0.9486833; (1.5 - 1) / 0.316 = 1.58, clipped to 1.25."""
    assert normalise([pair(1.3), pair(1.5)], "paper_literal") == pytest.approx([0.9486833, 1.25])


def test_rescaled_weights_have_the_papers_mean_and_variance_before_clipping() -> None:
    """Nine scores: four of 0.4, one of 0.5, four of 0.6. Mean 0.5, variance 8 x 0.01 / 9, std 0.0942809;
    1 + 0.3162278 x 0.1 / 0.0942809 = 1.3354, clipped to 1.25, and 0.6646 to 0.75; the middle one is 1."""
    found = normalise([*[pair(0.4)] * 4, pair(0.5), *[pair(0.6)] * 4], "rescaled")
    assert found == pytest.approx([*[0.75] * 4, 1.0, *[1.25] * 4])


def test_rescaled_weights_near_the_mean_are_not_clipped() -> None:
    """0.0, 0.5, 0.6, 1.0 and 0.4: mean 0.5, variance (0.25 + 0 + 0.01 + 0.25 + 0.01) / 5 = 0.104,
    std 0.3224903; 0.6 becomes 1 + 0.3162278 x 0.1 / 0.3224903 = 1.0980581 and 0.4 0.9019419."""
    found = normalise([pair(s) for s in (0.0, 0.5, 0.6, 1.0, 0.4)], "rescaled")
    assert found == pytest.approx([0.75, 1.0, 1.0980581, 1.25, 0.9019419])


def test_text_and_visual_pairs_are_rescaled_apart() -> None:
    """Text scores 0.2 and 0.8 lie one std of 0.3 off their mean, visual ones 0.90 and 0.92 one of 0.01 off
    theirs: 1 -+ 0.316, clipped, in both kinds. Together, both visual scores would count as high."""
    mixed = [pair(0.2), pair(0.90, visual=True), pair(0.8), pair(0.92, visual=True)]
    assert normalise(mixed, "rescaled") == [0.75, 0.75, 1.25, 1.25]


def test_equal_scores_are_all_rescaled_to_1() -> None:
    assert normalise([pair(0.1), pair(0.1), pair(0.1), pair(0.7, visual=True)], "rescaled") == [1.0] * 4


def test_a_heavier_score_never_weighs_less() -> None:
    rescaled = normalise([pair(tenth / 10) for tenth in range(11)], "rescaled")
    assert rescaled == sorted(rescaled)


@pytest.mark.parametrize("how", ["raw", "paper_literal", "rescaled"])
@pytest.mark.parametrize("weight", [None, math.nan, math.inf, -0.1])
def test_a_pair_without_a_sound_weight_is_refused_by_its_id(how: Weighting, weight: float | None) -> None:
    with pytest.raises(BadRecord, match="pair xmlab7/text has"):
        normalise([pair(0.5), pair(weight, name="xmlab7/text")], how)


def test_no_pairs_have_no_weights() -> None:
    assert normalise([], "rescaled") == []
