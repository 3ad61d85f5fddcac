"""Percentile bootstrap over images: how far a score, or a difference of paired scores, can be trusted.

Questions about one image are right or wrong together more often than not, so whole images are resampled. A
score is a function of sums over answers (`Metric.combine`), so a resample is a weighted sum. All scores on
the same questions see the same resamples, which is what pairs their differences. Knows no metric.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
LEVEL = 0.95

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval over n questions."""

    value: float
    low: float
    high: float
    n: int

    @property
    def holds_zero(self) -> bool:
        """Whether the interval holds zero: then a difference is no difference."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True, eq=False)
class Sample:
    """A score with its value in each resample."""

    value: float
    draws: Floats
    """(resamples,)"""
    n: int

    @property
    def interval(self) -> Interval:
        """The percentile interval."""
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(self.draws, [tail, 1 - tail])
        return Interval(self.value, float(low), float(high), self.n)

    @property
    def p(self) -> float:
        """Two-sided bootstrap p-value of the value being zero: twice the smaller share of draws on either
        side of it, each counted with one more; at most 1."""
        below, above = (int(np.count_nonzero(side)) for side in (self.draws <= 0, self.draws >= 0))
        return min(1.0, 2 * (min(below, above) + 1) / (len(self.draws) + 1))

    def minus(self, other: "Sample") -> "Sample":
        """The paired difference; both must come from the same resamples."""
        return Sample(self.value - other.value, self.draws - other.draws, self.n)


class Resamples:
    """Resamples of one list of questions, drawn once for all scores on it."""

    def __init__(self, groups: Sequence[Hashable], *, seed: int = 0, resamples: int = RESAMPLES) -> None:
        """`groups` names each question's image or images; as many groups as there are are drawn each time.

        Raises:
            ValueError: there are no questions.
        """
        if not groups:
            raise ValueError("no values to take the mean of")
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        self._member = np.array([numbers[group] for group in groups])
        self.images = len(numbers)
        share = np.full(self.images, 1 / self.images)
        self._times = (
            np.random.default_rng(seed).multinomial(self.images, share, size=resamples).astype(float)
        )

    def of(self, statistics: Floats, combine: Callable[[Floats], Floats]) -> Sample:
        """The score of answers whose statistics are (questions, k), in the questions' order.

        Raises:
            ValueError: not as many rows as questions.
        """
        if len(statistics) != len(self._member):
            raise ValueError(f"{len(self._member)} groups for {len(statistics)} values")
        columns = statistics.T
        sums = np.stack([np.bincount(self._member, weights=column) for column in columns], axis=1)
        value = float(combine(statistics.sum(axis=0)))
        return Sample(value, combine(self._times @ sums), len(statistics))


def bootstrap_mean(
    values: Sequence[float], groups: Sequence[Hashable] | None = None, *, seed: int = 0
) -> Interval:
    """The mean of `values` with its interval; without `groups` each value is its own.

    For a difference, give the paired differences.

    Raises:
        ValueError: there are no values, or not as many groups as values.
    """
    array = np.asarray(values, dtype=np.float64)
    resamples = Resamples(groups if groups is not None else range(len(array)), seed=seed)
    return resamples.of(
        np.stack([array, np.ones_like(array)], axis=1), lambda sums: sums[..., 0] / sums[..., 1]
    ).interval
