"""Percentile bootstrap over questions: how far a mean, or a difference of paired means, can be trusted."""

from collections.abc import Sequence
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


def bootstrap_mean(values: Sequence[float], *, seed: int = 0) -> Interval:
    """The mean of `values` and the percentile interval of resampled means of equal size.

    For a difference, give the paired differences.

    Raises:
        ValueError: there are no values.
    """
    if not len(values):
        raise ValueError("no values to take the mean of")
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = array[rng.integers(len(array), size=(RESAMPLES, len(array)))].mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(array.mean()), float(low), float(high), len(array))
