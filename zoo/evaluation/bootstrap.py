"""Percentile bootstrap over images: how far a mean, or a difference of paired means, can be trusted.

Questions about one image are right or wrong together more often than not, so whole images are resampled.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval over n questions."""

    value: float
    low: float
    high: float
    n: int

    @property
    def holds_zero(self) -> bool:
        """Whether the interval holds zero: then a difference is no difference."""
        return self.low <= 0.0 <= self.high


def bootstrap_mean(
    values: Sequence[float], groups: Sequence[Hashable] | None = None, *, seed: int = 0
) -> Interval:
    """The mean of `values` and the percentile interval of means over resampled groups.

    Each resample draws as many groups as there are, with replacement; without `groups` each value is its
    own. For a difference, give the paired differences.

    Raises:
        ValueError: there are no values, or not as many groups as values.
    """
    if not len(values):
        raise ValueError("no values to take the mean of")
    array = np.asarray(values, dtype=np.float64)
    numbers = {group: n for n, group in enumerate(dict.fromkeys(groups or range(len(array))))}
    member = np.array([numbers[group] for group in (groups or range(len(array)))])
    if len(member) != len(array):
        raise ValueError(f"{len(member)} groups for {len(array)} values")
    sums = np.bincount(member, weights=array)
    sizes = np.bincount(member)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(array.mean()), float(low), float(high), len(array))
