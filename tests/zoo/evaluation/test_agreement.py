"""Agreement beyond chance: by hand, by Krippendorff's example, by a library; and what is not defined."""

from collections.abc import Hashable, Sequence

import krippendorff
import numpy as np
import pytest

from zoo.evaluation.agreement import Agreement, Rated, alpha, confusion, kappa, same
from zoo.evaluation.agreement_table import agreement_text


def rated(
    *raters: Sequence[int | None],
    labels: int = 3,
    ordered: bool = False,
    groups: Sequence[Hashable] | None = None,
) -> Rated:
    """Each rater's labels of the same items, None where there is none."""
    said = np.array([[-1 if one is None else one for one in row] for row in raters]).T
    return Rated(
        name="scale",
        labels=tuple("abcdef"[:labels]),
        ordered=ordered,
        raters=tuple(f"rater {n}" for n in range(len(raters))),
        said=said,
        groups=tuple(groups if groups is not None else range(len(said))),
    )


def of_table(table: Sequence[Sequence[int]], **more: bool) -> Rated:
    """Two raters with that table of who said what."""
    cells = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return rated([i for i, _ in cells], [j for _, j in cells], labels=len(table), **more)


def test_kappa_of_two_by_two() -> None:
    """Observed 35/50 = 0.7; expected 0.5 * 0.6 + 0.5 * 0.4 = 0.5; kappa (0.7 - 0.5) / 0.5 = 0.4."""
    found = of_table([[20, 5], [10, 15]])
    assert confusion(found).tolist() == [[20, 5], [10, 15]]
    assert (kappa(found).value, kappa(found).n) == (pytest.approx(0.4), 50)
    assert same(found).value == pytest.approx(0.7)


def test_kappa_by_steps_of_a_scale() -> None:
    """Of 6 items 4 agree and 2 are one step apart; the raters' sums are 3, 2, 1 and 2, 2, 2.

    Unweighted: expected agreement (3*2 + 2*2 + 1*2) / 36 = 1/3, kappa (2/3 - 1/3) / (2/3) = 1/2. Linear:
    observed steps 2/6; expected (3*(2+4) + 2*(2+2) + 1*(4+2)) / 36 = 8/9; kappa 1 - (1/3) / (8/9) = 5/8.
    """
    found = of_table([[2, 1, 0], [0, 1, 1], [0, 0, 1]], ordered=True)
    assert kappa(found).value == pytest.approx(0.5)
    assert kappa(found, weighted=True).value == pytest.approx(0.625)


def test_less_than_chance_is_below_zero() -> None:
    assert kappa(of_table([[0, 5], [5, 0]])).value == pytest.approx(-1.0)


def test_alpha_of_two_raters() -> None:
    """Of 3 items aa, bb, ab: 6 ratings, 3 a and 3 b. Observed disagreement 2 of 6 ordered pairs; expected
    2 * 3 * 3 / (6 * 5) = 0.6; alpha 1 - (1/3) / 0.6 = 4/9.
    """
    assert alpha(rated([0, 1, 0], [0, 1, 1], labels=2)).value == pytest.approx(4 / 9)


FOUR = (
    (0, 1, 2, 2, 1, 0, 3, 0, 1, None, None, None),
    (0, 1, 2, 2, 1, 1, 3, 0, 1, 4, None, 2),
    (None, 2, 2, 2, 1, 2, 3, 1, 1, 4, 0, None),
    (0, 1, 2, 2, 1, 3, 3, 0, 1, 4, 0, None),
)
"""Krippendorff 2011, section D: four observers, twelve units, ratings missing."""


@pytest.mark.parametrize(("ordered", "value"), [(False, 0.743), (True, 0.815)])
def test_alpha_of_krippendorffs_own_example(ordered: bool, value: float) -> None:
    found = alpha(rated(*FOUR, labels=5, ordered=ordered))
    assert found.value == pytest.approx(value, abs=5e-4)
    assert found.n == 11  # the last unit has one rating


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_alpha_is_that_of_krippendorffs_library(seed: int, level: str) -> None:
    dice = np.random.default_rng(seed)
    said = dice.integers(-1, 4, size=(3, 40))
    theirs = krippendorff.alpha(
        reliability_data=np.where(said < 0, np.nan, said.astype(float)), level_of_measurement=level
    )
    ours = alpha(rated(*said.tolist(), labels=4, ordered=level == "ordinal"))
    assert ours.value == pytest.approx(theirs, abs=1e-9)


def test_items_that_one_rater_left_out_are_no_items_of_the_two() -> None:
    found = rated([0, 1, None, 0], [0, None, 1, 1], [None, 1, 1, None])
    assert [pair.said.tolist() for pair in found.pairs()] == [[[0, 0], [0, 1]], [[1, 1]], [[1, 1]]]
    assert [pair.raters for pair in found.pairs()][1] == ("rater 0", "rater 2")
    assert found.pairs()[2].groups == (2,)


def test_one_label_alone_or_nothing_in_common_has_no_kappa_and_no_alpha() -> None:
    alike = rated([0, 0, 0], [0, 0, 0])
    assert kappa(alike) == alpha(alike) == Agreement(None, None, None, 3)
    assert same(alike) == Agreement(1.0, 1.0, 1.0, 3)
    apart = rated([0, None], [None, 1])
    assert kappa(apart) == alpha(apart) == same(apart) == Agreement(None, None, None, 0)


def test_where_many_resamples_hold_one_label_there_is_a_value_and_no_interval() -> None:
    """The one item with another label is in no resample of 10 with chance 0.9 ** 10 = 0.35."""
    found = kappa(rated([0] * 9 + [1], [0] * 9 + [1]))
    assert found == Agreement(1.0, None, None, 10)
    many = kappa(rated([0] * 50 + [1] * 50, [0] * 50 + [1] * 50))
    assert many == Agreement(1.0, 1.0, 1.0, 100)


def test_the_interval_is_over_questions() -> None:
    """Four items a question that agree or not together tell a quarter of what as many questions would."""
    dice = np.random.default_rng(0)
    first = dice.integers(0, 2, size=50).repeat(4).tolist()
    agree = dice.random(50).repeat(4) < 0.8
    second = [a if ok else 1 - a for a, ok in zip(first, agree, strict=True)]
    apart = kappa(rated(first, second, labels=2))
    together = kappa(rated(first, second, labels=2, groups=[n // 4 for n in range(200)]))
    assert apart.value == together.value
    widths = [found.high - found.low for found in (apart, together)]
    assert widths[1] / widths[0] == pytest.approx(2.0, abs=0.25)
    assert together.low < together.value < together.high


def test_a_table_shows_coefficients_counts_and_who_said_what() -> None:
    text = agreement_text(of_table([[20, 5], [10, 15]]))
    assert "  rater 0  |  rater 1\n    same label   0.700 [" in text
    assert "    kappa        0.400 [" in text
    assert text.count("(n 50)") == 3
    assert text.endswith(
        "    first \\ second   a   b\n    a               20   5\n    b               10  15"
    )
    assert "linear" not in text
    assert "linear kappa" in agreement_text(of_table([[2, 1], [1, 2]], ordered=True))


def test_what_is_not_defined_is_said_in_words() -> None:
    assert "kappa        not defined (n 3): one label alone" in agreement_text(rated([0] * 3, [0] * 3))
    assert "nothing that both rated" in agreement_text(rated([0, None], [None, 1]))
    assert agreement_text(rated([0, 1])) == "scale: rater 0 alone"
