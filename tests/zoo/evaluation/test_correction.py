"""Holm's method against values worked by hand."""

import pytest

from zoo.evaluation.correction import holm


def test_each_p_value_is_multiplied_by_how_many_are_not_yet_decided() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04, and the last may not be
    below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_no_adjusted_p_value_is_above_one_and_a_lone_one_stays_as_it_is() -> None:
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []
