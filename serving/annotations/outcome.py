"""What the ratings of a list, or of several, come to, as data: shares, preferences, agreement. It knows no
database and no HTTP.

The same ratings are counted once: a page asks for its figures and its pictures one after the other.
"""

from dataclasses import dataclass
from functools import lru_cache

from serving.annotations.beside import other_cases, remarks
from zoo.evaluation.agreement import Agreement, Rated, alpha, kappa, same
from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.preferences import FEW, Pair, Preferences, Strength, references
from zoo.evaluation.rated import from_ratings, in_order, rankings, said_again, shares, unjudged
from zoo.evaluation.rated_cases import Drawn, drawn, opinions
from zoo.records import Rating


@dataclass(frozen=True, kw_only=True)
class AdapterShares:
    """What raters saw in one adapter's answers."""

    adapter: str
    variant: str
    shares: dict[str, Interval]
    """Of its judged answers, by severity and error type; empty where none could be judged."""
    unjudged: int
    """Ratings that say that the rater cannot judge."""


@dataclass(frozen=True, kw_only=True)
class Against:
    """The strengths of all adapters against one of them."""

    reference: str
    strengths: tuple[Strength, ...]


@dataclass(frozen=True, kw_only=True)
class PairOfRaters:
    """How far two raters agree."""

    first: str
    second: str
    same: Agreement
    kappa: Agreement
    linear_kappa: Agreement | None
    """Where labels are steps of a scale."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How far raters agree on one thing that they rate."""

    name: str
    ordered: bool
    alpha: Agreement
    pairs: tuple[PairOfRaters, ...]


@dataclass(frozen=True, kw_only=True)
class Again:
    """How far raters say the same of an answer when they rate its case again."""

    name: str
    same: Agreement
    kappa: Agreement
    """By steps where labels are steps of a scale."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All of it."""

    questions: int
    """Different cases: pictures with a question."""
    ratings: int
    again: int
    """Of the ratings those that say once more what their rater had said of that answer: they count for
    `agreement_again`, and by their rank beside answers that the rater had not ranked there."""
    raters: tuple[str, ...]
    drawn: Drawn
    """What intervals are over: pictures, and cases whose pictures are not known."""
    few: bool
    """Whether too few are drawn for the intervals to be leant on."""
    adapters: tuple[AdapterShares, ...]
    """Base and SFT first."""
    ranked: int
    """Questions on which two answers or more were ranked."""
    pairs: tuple[Pair, ...]
    against: tuple[Against, ...]
    """The base, and SFT where it was ranked; without the base the first that was ranked."""
    agreement: tuple[Scale, ...]
    agreement_again: tuple[Again, ...]
    """Empty where nobody judged the same words again."""
    remarks: tuple[str, ...]
    """What is not beside these adapters."""


@lru_cache(maxsize=8)
def outcome(ratings: tuple[Rating, ...]) -> Outcome:
    """What the ratings come to; of no ratings nothing, and no error."""
    names, variants = in_order(ratings), {r.adapter: r.variant for r in ratings}
    by, left_out = shares(ratings), unjudged(ratings)
    preferences = Preferences(rankings(ratings))
    told = opinions(ratings)
    over = drawn(one.unit for one in told)
    cases = {name: {one.case for one in told if one.rating.adapter == name} for name in names}
    return Outcome(
        questions=len({one.case for one in told}),
        ratings=len(told),
        again=sum(one.time > 0 for one in told),
        raters=tuple(sorted({r.rater for r in ratings})),
        drawn=over,
        few=over.units < FEW,
        adapters=tuple(
            AdapterShares(adapter=name, variant=variants[name], shares=by[name], unjudged=left_out[name])
            for name in names
        ),
        ranked=len(preferences.questions),
        pairs=tuple(preferences.pairs()),
        against=tuple(
            Against(reference=name, strengths=tuple(preferences.strengths(name)))
            for name in references([name for name in names if name in preferences.adapters], variants)
        ),
        agreement=tuple(map(_scale, from_ratings(ratings))) if ratings else (),
        agreement_again=tuple(
            Again(name=one.name, same=same(one), kappa=kappa(one, weighted=one.ordered))
            for one in said_again(ratings)
        ),
        remarks=(*remarks(variants), *other_cases(cases)),
    )


def _scale(rated: Rated) -> Scale:
    pairs = (
        PairOfRaters(
            first=two.raters[0],
            second=two.raters[1],
            same=same(two),
            kappa=kappa(two),
            linear_kappa=kappa(two, weighted=True) if two.ordered else None,
        )
        for two in rated.pairs()
        if len(two.said)
    )
    return Scale(name=rated.name, ordered=rated.ordered, alpha=alpha(rated), pairs=tuple(pairs))
