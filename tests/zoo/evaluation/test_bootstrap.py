"""Intervals: what they must hold, and that a seed gives the same ones again."""

import numpy as np
import pytest

from zoo.evaluation.bootstrap import bootstrap_mean


def test_a_constant_has_an_interval_of_no_width() -> None:
    interval = bootstrap_mean([0.5] * 20)
    assert (interval.value, interval.low, interval.high, interval.n) == (0.5, 0.5, 0.5, 20)


def test_the_interval_is_near_the_normal_one_for_many_values() -> None:
    """400 fair coin flips, half of them 1: mean 0.5, standard error 0.5 / 20 = 0.025, so 0.451 to 0.549."""
    interval = bootstrap_mean([0.0, 1.0] * 200)
    assert interval.low == pytest.approx(0.451, abs=0.006)
    assert interval.high == pytest.approx(0.549, abs=0.006)


def test_a_difference_that_is_noise_holds_zero_and_a_plain_one_does_not() -> None:
    noise = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], size=300)
    assert bootstrap_mean(noise - noise.mean()).holds_zero
    assert not bootstrap_mean([1.0, 0.0, 1.0, 1.0] * 50).holds_zero


def test_questions_about_one_image_count_as_one_draw() -> None:
    """50 images of 8 like answers each: the interval is that of 50 coin flips, 0.5 +- 0.139, not of 400."""
    values = [float(image % 2) for image in range(50) for _ in range(8)]
    images = [image for image in range(50) for _ in range(8)]
    interval = bootstrap_mean(values, images)
    assert interval.low == pytest.approx(0.361, abs=0.03)
    assert interval.high == pytest.approx(0.639, abs=0.03)
    assert interval.n == 400


def test_no_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])
