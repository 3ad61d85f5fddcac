"""How far raters agree beyond chance: Cohen's kappa of two, Krippendorff's alpha of any number.

Both are functions of counts that add up over items (a table of who said what), so their intervals come from
resamples of the items' questions like any score's: what is about one question is drawn together. Hence own
formulas, a few lines each, over thousands of resamples at once, and no library that takes one table at a
time. It knows no task and no file; labels are numbers here, in order where the scale has one.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from zoo.evaluation.bootstrap import Resamples

Floats = npt.NDArray[np.float64]
Weights = Floats
"""(labels, labels): how far two labels disagree; 0 on the diagonal."""
LEAST_KNOWN = 0.95
"""Share of resamples that must have a value for an interval to be given."""


@dataclass(frozen=True)
class Agreement:
    """A coefficient: 1 for full agreement, 0 for what chance gives, below 0 for less."""

    value: float | None
    """None where it is not defined: no item that two rated, or one label alone, which chance explains."""
    low: float | None
    high: float | None
    """95 % interval; None with the value, or where too many resamples hold one label alone."""
    n: int
    """Items that at least two rated."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rated:
    """What raters said of items, on one scale."""

    name: str
    """What was rated, such as `facts` or `misunderstanding`."""
    labels: tuple[str, ...]
    ordered: bool
    """Whether the labels are steps of one scale, in order."""
    raters: tuple[str, ...]
    said: npt.NDArray[np.int64]
    """(items, raters): a label's number, or -1 for none."""
    groups: tuple[Hashable, ...]
    """Each item's question, whose items are resampled together."""

    def of(self, raters: Sequence[int]) -> "Rated":
        """The same of some of the raters, and of the items that at least two of them rated."""
        said = self.said[:, list(raters)]
        kept = (said >= 0).sum(axis=1) >= 2
        return Rated(
            name=self.name,
            labels=self.labels,
            ordered=self.ordered,
            raters=tuple(self.raters[r] for r in raters),
            said=said[kept],
            groups=tuple(group for group, keep in zip(self.groups, kept, strict=True) if keep),
        )

    def pairs(self) -> list["Rated"]:
        """Each two raters, with the items that both rated."""
        return [self.of(two) for two in combinations(range(len(self.raters)), 2)]


def confusion(rated: Rated) -> npt.NDArray[np.int64]:
    """(labels, labels): how often the first of two raters said the row's label, the second the column's."""
    size = len(rated.labels)
    return np.asarray(_tables(rated).sum(axis=0).reshape(size, size), dtype=np.int64)


def same(rated: Rated) -> Agreement:
    """The share of items that two raters gave the same label, uncorrected for chance."""
    size = len(rated.labels)
    return _agreement(rated, _tables(rated), lambda sums: 1 - _disagree(sums, 1 - np.eye(size)))


def kappa(rated: Rated, *, weighted: bool = False) -> Agreement:
    """Cohen's kappa of two raters: 1 - observed / expected disagreement (Cohen 1960).

    `weighted` counts a disagreement by how many steps of the scale it spans (linear weights, Cohen 1968);
    otherwise all count alike.
    """
    size = len(rated.labels)
    steps = np.arange(size, dtype=np.float64)
    weights = np.abs(steps[:, None] - steps) if weighted else 1 - np.eye(size)

    def coefficient(sums: Floats) -> Floats:
        tables = sums.reshape(*sums.shape[:-1], size, size)
        first, second, total = tables.sum(axis=-1), tables.sum(axis=-2), tables.sum(axis=(-2, -1))
        expected = np.einsum("...i,...j,ij->...", first, second, weights) / total**2
        return np.asarray(1 - _disagree(sums, weights) / expected)

    return _agreement(rated, _tables(rated), coefficient)


def alpha(rated: Rated) -> Agreement:
    """Krippendorff's alpha of any number of raters, ratings missing or not (Krippendorff 2011, "Computing
    Krippendorff's alpha-reliability"): ordinal where the scale has an order, else nominal.

    Each item that m >= 2 raters rated adds its m (m - 1) ordered pairs of ratings to the table of
    coincidences, each weighing 1 / (m - 1).
    """
    size = len(rated.labels)
    shared = rated.of(range(len(rated.raters)))

    def coefficient(sums: Floats) -> Floats:
        tables = sums.reshape(*sums.shape[:-1], size, size)
        counts = tables.sum(axis=-1)
        total = counts.sum(axis=-1)
        distance = _squared_ranks(counts) if rated.ordered else 1 - np.eye(size)
        observed = (tables * distance).sum(axis=(-2, -1)) / total
        chance = counts[..., :, None] * counts[..., None, :]
        expected = (chance * distance).sum(axis=(-2, -1)) / (total * (total - 1))
        return np.asarray(1 - observed / expected)

    return _agreement(shared, _coincidences(shared), coefficient)


def _tables(rated: Rated) -> Floats:
    """(items, labels * labels): a 1 where the item's two labels meet."""
    if len(rated.raters) != 2:
        raise ValueError(f"{len(rated.raters)} raters, not two")
    shared = rated.of((0, 1)).said
    found = np.zeros((len(shared), len(rated.labels) ** 2))
    found[np.arange(len(shared)), shared[:, 0] * len(rated.labels) + shared[:, 1]] = 1.0
    return found


def _coincidences(shared: Rated) -> Floats:
    """(items, labels * labels) of items that at least two rated."""
    each = shared.said[..., None] == np.arange(len(shared.labels))  # (items, raters, labels)
    counts = each.sum(axis=1).astype(np.float64)
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs -= counts[:, :, None] * np.eye(len(shared.labels))  # a rating makes no pair with itself
    ratings = counts.sum(axis=1)[:, None, None]
    return np.asarray((pairs / (ratings - 1)).reshape(len(counts), len(shared.labels) ** 2))


def _squared_ranks(counts: Floats) -> Floats:
    """Ordinal distances (..., labels, labels): the square of how many ratings lie from one label to the
    other, half of those of the two themselves."""
    middles = counts.cumsum(axis=-1) - counts / 2
    return np.asarray((middles[..., :, None] - middles[..., None, :]) ** 2)


def _disagree(sums: Floats, weights: Weights) -> Floats:
    """The mean disagreement of the tables' items."""
    return np.asarray(sums @ weights.ravel() / sums.sum(axis=-1))


def _agreement(rated: Rated, statistics: Floats, combine: Callable[[Floats], Floats]) -> Agreement:
    """A coefficient of the summed statistics with its interval; values of nothing and of chance alone, 0 / 0,
    are none."""
    if not len(statistics):
        return Agreement(None, None, None, 0)
    shared = rated.of(range(len(rated.raters)))
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = Resamples(shared.groups).of(statistics, combine)
    if not np.isfinite(sample.value):
        return Agreement(None, None, None, sample.n)
    known = float(np.isfinite(sample.draws).mean())
    if known < LEAST_KNOWN:
        return Agreement(sample.value, None, None, sample.n)
    interval = sample.interval
    return Agreement(interval.value, interval.low, interval.high, sample.n)
