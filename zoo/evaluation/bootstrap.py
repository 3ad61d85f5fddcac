"""Percentile bootstrap over images: how far a score, or a difference of paired scores, can be trusted.

Questions about one image are right or wrong together more often than not, so whole images are resampled
(Efron and Tibshirani 1993, ch. 8). A score is a function of sums over answers (`Metric.combine`), so a
resample is a weighted sum. All scores on the same questions see the same resamples, which is what pairs their
differences. Knows no metric.

The dice are bits of PCG64 as they come, the one stream that numpy promises not to change, and figures are
rounded before they are compared: the same answers give the same numbers on any machine. A few images, or
answers that are all alike, give an interval too narrow, as with every percentile bootstrap.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

STATISTICS = 1
"""Version of how intervals and p-values come about: raised with any change, here or in the modules that use
this one, that moves them."""
RESAMPLES = 10_000
"""With 1000 no p-value is below 0.002, and nothing can be shown among more than 25 comparisons."""
LEVEL = 0.95
DIGITS = 12
"""Figures that differ beyond these differ by the order of additions alone."""
_ROWS = 1000
"""Resamples that are multiplied at once."""

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
    """(resamples,); nan where nothing was drawn that the score is about."""
    n: int
    null: Floats | None = None
    """(resamples,) differences of two adapters whose answers were swapped at random, image by image: what
    a difference looks like where there is none."""

    @cached_property
    def _known(self) -> Floats:
        draws: Floats = np.round(self.draws[~np.isnan(self.draws)], DIGITS)
        if not len(draws):
            raise ValueError("no resample has a value")
        return draws

    @property
    def interval(self) -> Interval:
        """The percentile interval over the resamples that have a value: one in which nothing was drawn that
        the score is about says nothing of it."""
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(self._known, [tail, 1 - tail])
        return Interval(round(self.value, DIGITS), float(low), float(high), self.n)

    @property
    def p(self) -> float:
        """Two-sided p-value of the value being zero: twice the smaller share of draws on either side of it.

        Of a difference with `null`, that or the share of swaps that differ by as much, whichever is larger
        (Noreen 1989; Riezler and Maxwell 2005). The swaps keep three lucky images from proving anything,
        the draws keep p and interval of one mind. Each count has one added, so p is never 0.
        """
        below, above = (int(np.count_nonzero(side)) for side in (self._known <= 0, self._known >= 0))
        drawn = 2 * (min(below, above) + 1) / (len(self._known) + 1)
        if self.null is None:
            return min(1.0, drawn)
        as_far = np.round(np.abs(self.null), DIGITS) >= round(abs(self.value), DIGITS)
        swapped = (int(np.count_nonzero(as_far)) + 1) / (len(self.null) + 1)
        return min(1.0, max(drawn, swapped))

    def minus(self, other: "Sample") -> "Sample":
        """The paired difference; both must come from the same resamples."""
        return Sample(self.value - other.value, self.draws - other.draws, self.n)


class Resamples:
    """Resamples of one list of questions, drawn once for all scores on it: 10 kB an image, and 1 kB for
    the swaps once they are asked for."""

    def __init__(self, groups: Sequence[Hashable], *, seed: int = 0, resamples: int = RESAMPLES) -> None:
        """`groups` names each question's image or images; as many groups as there are are drawn each time.

        Raises:
            ValueError: there are no questions.
        """
        if not groups:
            raise ValueError("no values to take the mean of")
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        member = np.array([numbers[group] for group in groups])
        self.questions, self.images, self.resamples = len(groups), len(numbers), resamples
        self._order = np.argsort(member, kind="stable")
        self._starts = np.searchsorted(member[self._order], np.arange(self.images))
        self._seed = seed

    @cached_property
    def _times(self) -> npt.NDArray[np.uint8]:
        """(resamples, images): how often each was drawn."""
        times = np.empty((self.resamples, self.images), dtype=np.uint8)
        dice = _dice("images", self._seed)
        for rows in self._chunks():
            times[rows] = _drawn(dice, rows.stop - rows.start, self.images)
        return times

    @cached_property
    def _swapped(self) -> npt.NDArray[np.uint8]:
        """(resamples, images / 8): a bit for each image."""
        words = -(-self.images // 64)
        raw = _dice("swaps", self._seed).random_raw(self.resamples * words)
        return np.asarray(raw).astype("<u8").view(np.uint8).reshape(self.resamples, -1)

    def sums(self, columns: Floats) -> Floats:
        """The sums of columns (questions, k) in every resample: (resamples, k).

        Raises:
            ValueError: not as many rows as questions.
        """
        by_image = self._by_image(columns)
        found = np.empty((self.resamples, columns.shape[1]))
        for rows in self._chunks():
            found[rows] = self._times[rows].astype(np.float64) @ by_image
        return found

    def swaps(self, columns: Floats) -> Floats:
        """The sums of columns (questions, k) over a random half of the images: (resamples, k)."""
        by_image = self._by_image(columns)
        found = np.empty((self.resamples, columns.shape[1]))
        for rows in self._chunks():
            bits = np.unpackbits(self._swapped[rows], axis=1, count=self.images)
            found[rows] = bits.astype(np.float64) @ by_image
        return found

    def of(self, statistics: Floats, combine: Callable[[Floats], Floats]) -> Sample:
        """The score of answers whose statistics are (questions, k), in the questions' order.

        Raises:
            ValueError: not as many rows as questions.
        """
        draws = self.sums(statistics)
        return Sample(float(combine(statistics.sum(axis=0))), combine(draws), len(statistics))

    def _by_image(self, columns: Floats) -> Floats:
        if len(columns) != self.questions:
            raise ValueError(f"{self.questions} groups for {len(columns)} values")
        found: Floats = np.add.reduceat(columns[self._order], self._starts, axis=0)
        return found

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, self.resamples, _ROWS):
            yield slice(start, min(start + _ROWS, self.resamples))


def seed_weights(seeds: Sequence[int], *, resamples: int = RESAMPLES) -> Floats:
    """How much each of several training runs counts in each resample: (resamples, runs), rows sum to 1.

    Runs are resampled beside images, crosswise (Owen 2007, the pigeonhole bootstrap), so that an interval
    speaks of the way of training, not of these runs alone. The same seeds get the same weights whoever
    was trained with them, which pairs two variants run by run; others are drawn independently.
    """
    if len(seeds) == 1:
        return np.ones((resamples, 1))
    return _drawn(_dice("runs", *seeds), resamples, len(seeds)) / len(seeds)


def bootstrap_mean(
    values: Sequence[float], groups: Sequence[Hashable] | None = None, *, seed: int = 0
) -> Interval:
    """The mean of `values` with its interval; without `groups` each value is its own.

    For a difference, give the paired differences.

    Raises:
        ValueError: there are no values, or not as many groups as values.
    """
    array = np.asarray(values, dtype=np.float64)
    resamples = resamples_of(tuple(groups) if groups is not None else tuple(range(len(array))), seed=seed)
    return resamples.of(
        np.stack([array, np.ones_like(array)], axis=1), lambda sums: sums[..., 0] / sums[..., 1]
    ).interval


@lru_cache(maxsize=8)
def resamples_of(groups: tuple[Hashable, ...], *, seed: int = 0) -> Resamples:
    """The same resamples for the same groups, drawn once."""
    return Resamples(groups, seed=seed)


def _dice(*names: object) -> np.random.PCG64:
    """A stream of its own for each purpose."""
    return np.random.PCG64(int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "big"))


def _drawn(dice: np.random.PCG64, rows: int, of: int) -> npt.NDArray[np.int64]:
    """(rows, of): how often each of `of` things was drawn in `of` draws."""
    raw = np.asarray(dice.random_raw(rows * of))
    picked = (raw >> np.uint64(32)) * np.uint64(of) >> np.uint64(32)
    places = picked.astype(np.int64).reshape(rows, of) + of * np.arange(rows)[:, None]
    return np.bincount(places.ravel(), minlength=rows * of).reshape(rows, of)
