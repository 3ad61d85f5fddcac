"""Which answers raters prefer: win rates of each two adapters, and Bradley-Terry strengths of all.

A ranking is split into its pairs; a tie is half a win for either side. Davidson (1970) models ties by a
parameter of their own instead, but answers in the same words tie whoever is stronger, and with halves the
strength of two adapters alone is what the table of wins says, win + tie / 2. A strength is told as the
probability of being preferred to a reference, and not as points that have no end.

Strengths have no finite estimate where one side of the adapters never lost to the other (Ford 1957). So each
pair that met has one tie added, half a win for either, which is Jeffreys' prior of a share (Firth 1993): a
resample needs it too. An adapter that no ranking put below the reference, or none above, would have nothing
but that tie's strength: it has none here, and its side is told with how often.

A question that several raters ranked counts once, with the mean over them; of a rater who ranked two adapters
there twice the first time counts. Intervals are over resampled units, such as whole pictures. It knows no
file, no severity and no record.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from zoo.evaluation.bootstrap import Floats, Interval, Resamples, Sample
from zoo.records import BASE

PRIOR = 1.0
"""Ties added to each pair that met."""
FEW = 20
"""Units: of fewer an interval is too narrow to be leant on."""
_STEP, _CLOSE, _MOST = 2.0, 1e-9, 100
"""Of Newton's way, in logits: longest step, a step that ends it, most steps."""


@dataclass(frozen=True)
class Ranking:
    """One rater's order of some adapters' answers to a question: 1 the best, ties allowed."""

    question: Hashable
    ranks: Mapping[str, int]
    rater: str = ""
    """Empty where it is not known: then each ranking is somebody else's."""
    unit: Hashable = None
    """What the question is drawn with; None: it is drawn by itself."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two adapters that were ranked beside each other: shares of their questions."""

    first: str
    second: str
    win: Interval
    """Of the first over the second."""
    tie: Interval
    loss: Interval
    lead: Interval
    """win - loss; an interval that holds zero is no difference."""
    units: int
    """How many of what is drawn its questions are of."""


@dataclass(frozen=True, kw_only=True)
class Strength:
    """The probability that an adapter's answer is preferred to the reference's, ties counted half."""

    adapter: str
    share: Interval | None
    """None where there is a reason. n: the questions on which it was ranked."""
    reason: str = ""
    side: Literal["", "above", "below"] = ""
    """Of the reference, where every ranking puts it, and so no strength is finite."""

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out one half, at which neither is preferred."""
        return self.share is not None and not self.share.low <= 0.5 <= self.share.high


class Preferences:
    """What rankings say of the adapters in them."""

    def __init__(self, rankings: Iterable[Ranking]) -> None:
        """Split the rankings, of each rater in the order made, into pairs; one of fewer than two adapters
        says nothing."""
        kept = [one for one in rankings if len(one.ranks) > 1]
        self.adapters: tuple[str, ...] = tuple(dict.fromkeys(name for one in kept for name in one.ranks))
        of = {one.question: one.question if one.unit is None else one.unit for one in kept}
        self.questions: tuple[Hashable, ...] = tuple(of)
        self.units: tuple[Hashable, ...] = tuple(of.values())
        """Each question's."""
        self._pairs = list(combinations(range(len(self.adapters)), 2))
        self._said = self._outcomes(kept)

    def _outcomes(self, rankings: Sequence[Ranking]) -> Floats:
        """(questions, pairs, 3): the shares of raters by whom the first won, tied, lost; 0 where none ranked
        both."""
        place = {question: number for number, question in enumerate(self.questions)}
        said = np.zeros((len(place), len(self._pairs), 3))
        heard: set[tuple[Hashable, str, int]] = set()
        for one in rankings:
            for number, (i, j) in enumerate(self._pairs):
                first, second = (one.ranks.get(self.adapters[k]) for k in (i, j))
                whose = (one.question, one.rater, number)
                if first is not None and second is not None and whose not in heard:
                    said[place[one.question], number, int(np.sign(first - second)) + 1] += 1
                    if one.rater:
                        heard.add(whose)
        raters = said.sum(axis=2, keepdims=True)
        return np.asarray(said / np.maximum(raters, 1))

    @cached_property
    def _draws(self) -> Floats:
        """(resamples, pairs, 3): the sums in every resample of the units."""
        columns = self._said.reshape(len(self.questions), -1)
        return Resamples(self.units).sums(columns).reshape(-1, *self._said.shape[1:])

    def pairs(self) -> list[Pair]:
        """Each two adapters that met."""
        found = []
        for number, (i, j) in enumerate(self._pairs):
            total, met = self._said[:, number].sum(axis=0), np.flatnonzero(self._said[:, number].any(axis=1))
            if n := len(met):
                with np.errstate(invalid="ignore"):  # a resample in which they did not meet says nothing
                    draws = self._draws[:, number] / self._draws[:, number].sum(axis=1, keepdims=True)
                shares = [Sample(float(total[k] / n), draws[:, k], n) for k in range(3)]
                win, tie, loss = (one.interval for one in shares)
                lead = shares[0].minus(shares[2]).interval
                first, second = self.adapters[i], self.adapters[j]
                units = len({self.units[question] for question in met})
                found.append(
                    Pair(first=first, second=second, win=win, tie=tie, loss=loss, lead=lead, units=units)
                )
        return found

    def strengths(self, reference: str) -> list[Strength]:
        """Every other adapter against the reference (Bradley and Terry 1952).

        Raises:
            ValueError: the reference was not ranked.
        """
        start = self.adapters.index(reference)
        wins = self._wins(self._said.sum(axis=0))
        met = (wins + wins.T) > 0
        near = _reached(met, start)
        above, below = _reached(wins > 0, start), _reached(wins.T > 0, start)
        inside = np.flatnonzero(near)
        prior = PRIOR / 2 * met[np.ix_(inside, inside)]
        drawn = self._wins(self._draws)[:, inside[:, None], inside]
        every = np.concatenate([wins[None, inside[:, None], inside], drawn]) + prior
        logits = fit(every, reference=int(np.searchsorted(inside, start)))
        found = []
        for number, name in enumerate(self.adapters):
            if number == start:
                continue
            if not (above[number] and below[number]):
                side: Literal["", "above", "below"] = (
                    "above" if above[number] else "below" if below[number] else ""
                )
                straight = round(wins[number, start] + wins[start, number])
                reason = _reason(near[number], side, straight, reference)
                found.append(Strength(adapter=name, share=None, reason=reason, side=side))
                continue
            shares = 1 / (1 + np.exp(-logits[:, np.searchsorted(inside, number)]))
            sample = Sample(float(shares[0]), shares[1:], self._ranked(number))
            found.append(Strength(adapter=name, share=sample.interval))
        return found

    def _wins(self, sums: Floats) -> Floats:
        """(..., pairs, 3) -> (..., adapters, adapters): how often the row was preferred, ties half."""
        wins = np.zeros((*sums.shape[:-2], len(self.adapters), len(self.adapters)))
        for number, (i, j) in enumerate(self._pairs):
            wins[..., i, j] = sums[..., number, 0] + sums[..., number, 1] / 2
            wins[..., j, i] = sums[..., number, 2] + sums[..., number, 1] / 2
        return wins

    def _ranked(self, adapter: int) -> int:
        """Questions on which it was ranked beside another."""
        own = [number for number, pair in enumerate(self._pairs) if adapter in pair]
        return int(self._said[:, own].any(axis=(1, 2)).sum())


def references(ranked: Sequence[str], variants: Mapping[str, str]) -> list[str]:
    """Of adapters in order those that all others are held against: the base and those of the variant sft;
    where neither was ranked, the first."""
    return [name for name in ranked if name == BASE or variants[name] == "sft"] or list(ranked[:1])


def fit(wins: Floats, *, reference: int) -> Floats:
    """Bradley and Terry's strengths as logits over the reference's: (n, adapters) of wins (n, adapters,
    adapters), by Newton's way on all n at once.

    Raises:
        ArithmeticError: it does not settle, which it does wherever each adapter has a part of a win and of
            a loss on some way to every other.
    """
    total = wins + wins.swapaxes(1, 2)
    scored = wins.sum(axis=2)
    free = [k for k in range(wins.shape[1]) if k != reference]
    logits = np.zeros(wins.shape[:2])
    for _ in range(_MOST):
        expected = 1 / (1 + np.exp(logits[:, None, :] - logits[:, :, None]))  # row over column
        slope = scored - (total * expected).sum(axis=2)
        information = -total * expected * (1 - expected)
        information += np.eye(wins.shape[1]) * -information.sum(axis=2)[:, :, None]
        step = np.linalg.solve(information[:, free][:, :, free], slope[:, free, None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True, initial=0.0)
        logits[:, free] += step * np.minimum(1.0, _STEP / np.maximum(longest, _STEP))
        if longest.max() < _CLOSE:
            return logits
    raise ArithmeticError("Bradley-Terry strengths did not settle")


def _reached(edges: npt.NDArray[np.bool_], start: int) -> npt.NDArray[np.bool_]:
    """Which adapters can be come to from `start`, against the edges (row preferred to column)."""
    found = np.zeros(len(edges), dtype=bool)
    found[start] = True
    for _ in range(len(edges)):
        found |= edges[:, found].any(axis=1)
    return found


def _reason(near: bool, side: str, straight: int, reference: str) -> str:
    """Why an adapter has no strength; `straight`: questions on which it was ranked beside the reference."""
    if not near:
        return f"never ranked beside {reference}, nor beside any that was"
    if not side:
        return f"the rankings do not tell it from {reference}"
    return f"{side} in all {straight}" if straight else f"{side}, by way of others alone"
