"""Ratings of one work list or of several: which are of the same case, which of a rater's count, and what is
drawn as one.

The same pictures with the same question are one case, in whichever list or by whichever name they were rated.
Cases of the same pictures are right or wrong together more often than not, so intervals draw whole pictures;
where pictures are not known, cases. Of a rater who rated an adapter's answer to a case again the first word
counts, and the next tells how far the rater agrees with themselves. It knows no statistics and no file.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from zoo.errors import BadInput
from zoo.records import Rating


@dataclass(frozen=True)
class Pictures:
    """A unit that is drawn: all cases of the same pictures."""

    sha256: str


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """A rating among others."""

    rating: Rating
    case: Hashable
    unit: Hashable
    """What is drawn as one: `Pictures`, or the case where they are not known."""
    time: int
    """0 for the rater's first word on this adapter's answer to the case, 1 for the next, and so on."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """How many units the resamples are drawn from."""

    pictures: int
    cases: int
    """Whose pictures are not known."""

    @property
    def units(self) -> int:
        """All of them."""
        return self.pictures + self.cases

    def __str__(self) -> str:
        known = _many(self.pictures, "picture")
        unknown = f"{_many(self.cases, 'case')} of unknown pictures"
        if self.pictures and self.cases:
            return f"{known} and {unknown}"
        return unknown if self.cases else known


class Cases:
    """Which ratings are of the same case."""

    def __init__(self, ratings: Iterable[Rating]) -> None:
        """A rating that does not know its case's digest, as of a sheet, is of the only case that others by
        the name of its question are of."""
        self._named: dict[Hashable, set[str]] = {}
        self._pictures: dict[Hashable, Pictures] = {}
        kept = list(ratings)
        for r in kept:
            if r.case_sha256:
                self._named.setdefault(_question(r), set()).add(r.case_sha256)
        for r in kept:
            if r.pictures_sha256:
                self._pictures[self.of(r)] = Pictures(r.pictures_sha256)

    def of(self, r: Rating) -> Hashable:
        """The case of a rating: by digest, or by data set, split and id of its question."""
        named = self._named.get(_question(r), set())
        return r.case_sha256 or (next(iter(named)) if len(named) == 1 else _question(r))

    def unit(self, case: Hashable) -> Hashable:
        """What a case is drawn with."""
        return self._pictures.get(case, case)


def opinions(ratings: Sequence[Rating]) -> list[Opinion]:
    """The ratings as they came, each once: one that is in two exports of a list is one rating.

    Raises:
        BadInput: a rater says two things of one answer, and no time tells which was first.
    """
    cases = Cases(ratings)
    said: dict[Hashable, list[Rating]] = {}
    for r in sorted(ratings, key=lambda r: r.made_at):
        before = said.setdefault((cases.of(r), r.rater, r.adapter), [])
        same = [one for one in before if _question(one) == _question(r) and _at_once(one, r)]
        if any(_words(one) != _words(r) for one in same):
            raise BadInput(
                f"{r.rater} says two things of one answer of {r.adapter} to {r.question_id}",
                hint="give ratings with their time: medzoo ratings export LIST --kind ratings.jsonl",
            )
        if not same:
            before.append(r)
    times = {id(r): time for of in said.values() for time, r in enumerate(of)}
    found = []
    for r in ratings:
        if (time := times.pop(id(r), None)) is not None:
            case = cases.of(r)
            found.append(Opinion(rating=r, case=case, unit=cases.unit(case), time=time))
    return found


def drawn(units: Iterable[Hashable]) -> Drawn:
    """How many different units there are of each kind."""
    different = set(units)
    pictures = sum(isinstance(one, Pictures) for one in different)
    return Drawn(pictures=pictures, cases=len(different) - pictures)


def pool(by_source: Mapping[str, Sequence[Rating]]) -> list[Rating]:
    """The ratings of several lists or files together, by what their users call these.

    Raises:
        BadInput: they are of different bases, or one name stands for different weights. What an older
            rating does not tell cannot be checked.
    """
    of_first: tuple[str, set[str]] | None = None
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for source, ratings in by_source.items():
        if bases := {r.base for r in ratings if r.base}:
            first, others = of_first = of_first or (source, bases)
            if bases.isdisjoint(others):
                raise _apart(first, source, f"of {_named(others)} the one, of {_named(bases)} the other")
        for r in ratings:
            for what, value in (("base", r.base), ("weights", r.digest)):
                first, other = known.setdefault((r.adapter, what), (source, value)) if value else ("", "")
                if other != value:
                    why = f"{r.adapter} is two adapters, by its {what}: {_short(other)} and {_short(value)}"
                    raise _apart(first, source, why)
    return [r for ratings in by_source.values() for r in ratings]


def in_several(by_source: Mapping[str, Sequence[Rating]]) -> int:
    """How many cases were rated in more than one of the lists."""
    cases = Cases(r for ratings in by_source.values() for r in ratings)
    found = [case for ratings in by_source.values() for case in {cases.of(r) for r in ratings}]
    return sum(times > 1 for times in Counter(found).values())


def _apart(first: str, second: str, why: str) -> BadInput:
    what = f"{first!r} and {second!r}" if first != second else f"the ratings of {first!r}"
    return BadInput(f"{what} cannot be pooled: {why}", hint="look at each by itself")


def _named(bases: Collection[str]) -> str:
    return ", ".join(map(_short, sorted(bases)))


def _short(name: str) -> str:
    """`name@revision` or a digest, with as much of the digest as tells it."""
    head, at, digest = name.rpartition("@")
    return f"{head}{at}{digest[:8]}"


def _at_once(one: Rating, other: Rating) -> bool:
    """Whether their times do not tell them apart; a published one has no more than the day."""
    return one.made_at.startswith(other.made_at) or other.made_at.startswith(one.made_at)


def _words(r: Rating) -> tuple[Hashable, ...]:
    return r.answer_sha256, r.misunderstanding, r.error_types, r.rank


def _question(r: Rating) -> tuple[str, str, str]:
    return r.dataset, r.split, r.question_id


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
