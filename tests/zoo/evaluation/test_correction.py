"""Holm's method against values worked by hand."""

import pytest

from model_cards.words import gap
from zoo.cli._text import between
from zoo.evaluation.correction import MARK, holm, stands
from zoo.evaluation.metrics import get_metric
from zoo.evaluation.report.figures import difference_cell
from zoo.evaluation.score import Difference
from zoo.evaluation.table import difference
from zoo.manifest import Bounds


def test_each_p_value_is_multiplied_by_how_many_are_not_yet_decided() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04, and the last may not be
    below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_no_adjusted_p_value_is_above_one_and_a_lone_one_stays_as_it_is() -> None:
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_a_p_value_at_the_level_itself_stands_for_nothing_in_any_table() -> None:
    at, below = (Difference(0.1, 0.01, 0.2, 9, p=p, adjusted_p=p) for p in (0.05, 0.0499))
    assert (stands(at.adjusted_p), stands(below.adjusted_p)) == (False, True)
    bounds = [Bounds(low=d.low, high=d.high, adjusted_p=d.adjusted_p) for d in (at, below)]
    accuracy = get_metric("accuracy")
    for said in (
        [difference(d, percent=False) for d in (at, below)],
        [difference_cell(d, accuracy).figure for d in (at, below)],
        [between(0.6, 0.5, b) for b in bounds],
    ):
        assert [MARK in one for one in said] == [True, False], said
    assert ["not after correction" in gap(0.1, b) for b in bounds] == [True, False]
