"""Intervals: what they must hold, and that a seed gives the same ones again."""

import numpy as np
import pytest

from zoo.evaluation.bootstrap import RESAMPLES, Floats, Resamples, Sample, bootstrap_mean, seed_weights

DRAWN = [[0.0, 1.0, 2.0], [1.0, 2.0, 0.0], [1.0, 1.0, 1.0], [2.0, 1.0, 0.0]]
SWAPPED = [[0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
RUNS = [[0.0, 2.0, 1.0], [2.0, 0.0, 1.0], [2.0, 1.0, 0.0]]
"""How often each of three images, or runs, was drawn, and which were swapped."""


def mean(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def test_a_constant_has_an_interval_of_no_width() -> None:
    interval = bootstrap_mean([0.5] * 20)
    assert (interval.value, interval.low, interval.high, interval.n) == (0.5, 0.5, 0.5, 20)


def test_the_interval_is_near_the_normal_one_for_many_values() -> None:
    """400 fair coin flips, half of them 1: mean 0.5, standard error 0.5 / 20 = 0.025, so 0.451 to 0.549."""
    interval = bootstrap_mean([0.0, 1.0] * 200)
    assert interval.low == pytest.approx(0.451, abs=0.003)
    assert interval.high == pytest.approx(0.549, abs=0.003)


def test_a_difference_that_is_noise_holds_zero_and_a_plain_one_does_not() -> None:
    noise = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], size=300)
    assert bootstrap_mean(noise - noise.mean()).holds_zero
    assert not bootstrap_mean([1.0, 0.0, 1.0, 1.0] * 50).holds_zero


def test_questions_about_one_image_count_as_one_draw() -> None:
    """50 images of 8 like answers each: the interval is that of 50 coin flips, 0.5 +- 0.139, not of 400."""
    values = [float(image % 2) for image in range(50) for _ in range(8)]
    images = [image for image in range(50) for _ in range(8)]
    interval = bootstrap_mean(values, images)
    assert interval.low == pytest.approx(0.361, abs=0.02)
    assert interval.high == pytest.approx(0.639, abs=0.02)
    assert interval.n == 400


def test_no_values_are_an_error_and_neither_are_groups_of_other_questions() -> None:
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="2 groups for 3 values"):
        bootstrap_mean([1.0, 2.0, 3.0], ["a", "b"])


def test_the_dice_are_the_same_everywhere() -> None:
    """Written down once: a stored interval must come out again on another machine and another numpy."""
    resamples = Resamples(["a", "b", "a", "c"], resamples=4)
    ones = np.ones((4, 1))
    images = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]])
    assert resamples.sums(images).tolist() == DRAWN
    assert resamples.sums(ones)[:, 0].tolist() == [2 * a + b + c for a, b, c in DRAWN]
    assert resamples.swaps(images).tolist() == SWAPPED
    assert (3 * seed_weights([0, 1, 2], resamples=3)).tolist() == RUNS
    assert seed_weights([7], resamples=2).tolist() == [[1.0], [1.0]]


def test_as_many_images_are_drawn_as_there_are_and_each_as_often_as_the_others() -> None:
    resamples = Resamples(range(70), seed=3)
    drawn = resamples.sums(np.eye(70))
    assert set(drawn.sum(axis=1)) == {70.0}
    assert drawn.mean(axis=0) == pytest.approx(np.ones(70), abs=0.05)
    assert resamples.swaps(np.eye(70)).mean(axis=0) == pytest.approx(np.full(70, 0.5), abs=0.02)


def test_resamples_without_a_value_say_nothing_and_spoil_nothing() -> None:
    draws = np.array([np.nan, 0.2, np.nan, 0.4])
    interval = Sample(0.3, draws, 5).interval
    assert (interval.low, interval.high) == (pytest.approx(0.205), pytest.approx(0.395))
    assert Sample(0.3, draws, 5).p == pytest.approx(2 * 1 / 3)
    with pytest.raises(ValueError, match="no resample has a value"):
        _ = Sample(0.3, np.array([np.nan]), 5).interval


def test_the_order_of_additions_moves_no_figure() -> None:
    """0.1 three times is a hair more than 0.3; both must be the same number, and no difference."""
    hair = 0.1 + 0.1 + 0.1
    assert Sample(hair, np.full(5, hair), 3).interval == Sample(0.3, np.full(5, 0.3), 3).interval
    assert Sample(hair - 0.3, np.full(5, hair - 0.3), 3).p == 1.0


def test_p_is_the_larger_of_two_so_that_a_few_lucky_images_prove_nothing() -> None:
    """All 99 draws above zero alone: 2 x (0 + 1) / 100. Of 99 swaps 24 as far apart: (24 + 1) / 100."""
    draws = np.full(99, 0.5)
    swaps = np.array([0.5, -0.5] * 12 + [0.1] * 75)
    assert Sample(0.5, draws, 3).p == pytest.approx(0.02)
    assert Sample(0.5, draws, 3, swaps).p == pytest.approx(0.25)
    assert Sample(0.5, draws, 3, np.zeros(99)).p == pytest.approx(0.02)
    assert Sample(0.0, np.zeros(99), 3, np.zeros(99)).p == 1.0


def test_runs_of_the_same_seeds_are_drawn_together_and_others_apart() -> None:
    one, same, other = seed_weights([0, 1, 2]), seed_weights([0, 1, 2]), seed_weights([3, 4, 5])
    assert np.array_equal(one, same)
    assert one.shape == (RESAMPLES, 3)
    assert one.sum(axis=1) == pytest.approx(np.ones(RESAMPLES))
    assert abs(np.corrcoef(one[:, 0], other[:, 0])[0, 1]) < 0.05


def test_a_score_is_what_its_sums_come_to() -> None:
    sample = Resamples(["a", "a", "b"]).of(np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]), mean)
    assert sample.value == pytest.approx(2 / 3)
    assert set(np.round(sample.draws, 3)) == {0.5, 0.667, 1.0}
