"""Verdicts of judges and ratings of experts as items, raters and labels; what experts saw, by adapter, and
which answers they ranked.

An item is an answer (or a fact of its truth). The same words as an answer of two adapters to one question are
one item, unless a rater says different things of them. A rater who cannot judge an answer says nothing of it.
Which questions are one case, and what is drawn as one, `zoo.evaluation.rated_cases` says; what agreement and
ranks are worth `zoo.evaluation.agreement` and `zoo.evaluation.preferences` say.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from zoo.errors import BadInput
from zoo.evaluation.agreement import Rated
from zoo.evaluation.bootstrap import Interval, Sample, resamples_of
from zoo.evaluation.metrics.facts import LABELS, labels
from zoo.evaluation.metrics.green import counts, green
from zoo.evaluation.metrics.judge import relevance, says_correct
from zoo.evaluation.preferences import Ranking
from zoo.evaluation.rated_cases import Opinion, opinions
from zoo.records import BASE, ErrorType, Rating, Severity, Task, Verdict

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
ERROR_TYPES: tuple[ErrorType, ...] = get_args(ErrorType)
_TENTHS = tuple(f"{n / 10:.1f}" for n in range(11))
_SCALES: dict[Task, tuple[str, ...]] = {
    "correct": ("false", "true"),
    "facts": LABELS,
    "relevance": _TENTHS,
    "green": _TENTHS,
}
"""A number from 0 to 1 is rounded to tenths, which are steps of a scale."""
_TIMES = ("first", "again")
"""In the place of raters where each is held against themselves."""


@dataclass(frozen=True)
class _Said:
    """One rater's label of one item of one adapter's answer."""

    item: Hashable
    adapter: str
    group: Hashable
    rater: str
    label: int


def from_verdicts(verdicts: Sequence[Verdict]) -> list[Rated]:
    """What judges said, a task each. Facts are items where judges labelled the same list of them; a reply
    that cannot be read says nothing.

    Raises:
        BadInput: a judge says two things of one answer of one adapter.
    """
    tasks = [task for task in _SCALES if any(v.task == task for v in verdicts)]
    return [
        _rated(
            task,
            _SCALES[task],
            (one for v in verdicts if v.task == task for one in _heard(v)),
            ordered=_SCALES[task] is _TENTHS,
            raters=list(dict.fromkeys(v.judge for v in verdicts if v.task == task)),
        )
        for task in tasks
    ]


def from_ratings(ratings: Sequence[Rating]) -> list[Rated]:
    """What experts said: the severity of the misunderstanding, and each error type as seen or not.

    Raises:
        BadInput: see `opinions`.
    """
    first = [(one, one.rating.rater) for one in opinions(ratings) if one.time == 0]
    return _expert_scales(first, raters=list(dict.fromkeys(rater for _, rater in first)), apart=False)


def said_again(ratings: Sequence[Rating]) -> list[Rated]:
    """How far raters agree with themselves: the same scales as of two raters, what was said of an answer
    `first` and `again`. Nothing where no answer in the same words was judged again.

    Raises:
        BadInput: see `opinions`.
    """
    told: dict[Hashable, list[Opinion]] = {}
    for one in sorted(opinions(ratings), key=lambda one: one.time):
        if one.rating.misunderstanding is not None:
            r = one.rating
            told.setdefault((one.case, r.rater, r.adapter, r.answer_sha256), []).append(one)
    twice = [two for of in told.values() if len(of) > 1 for two in zip(of[:2], _TIMES, strict=True)]
    return _expert_scales(twice, raters=list(_TIMES), apart=True) if twice else []


def _expert_scales(said: Sequence[tuple[Opinion, str]], *, raters: list[str], apart: bool) -> list[Rated]:
    """A scale each of opinions and under whom each counts; `apart` makes each rater's answers their own."""

    def on(name: str, scale: tuple[str, ...], label: Callable[[Rating], int], *, ordered: bool) -> Rated:
        items = (
            _Said(
                (one.case, one.rating.answer_sha256, one.rating.rater if apart else ""),
                one.rating.adapter,
                one.unit,
                who,
                label(one.rating),
            )
            for one, who in said
            if one.rating.misunderstanding is not None
        )
        return _rated(name, scale, items, ordered=ordered, raters=raters)

    found = [on("misunderstanding", SEVERITIES, lambda r: SEVERITIES.index(r.misunderstanding), ordered=True)]
    for kind in ERROR_TYPES:
        found.append(on(kind, ("no", "yes"), lambda r, kind=kind: int(_has(r, kind)), ordered=False))  # type: ignore[misc]
    return found


def shares(ratings: Sequence[Rating]) -> dict[str, dict[str, Interval]]:
    """By adapter, the share of its judged answers with each severity and each error type, with 95 %
    intervals; nothing for an adapter none of whose answers could be judged.

    A case whose answer several experts rated counts once, with the mean over those who could judge it (Kim et
    al. 2026, table 4, give shares of 40 answers a data set).

    Raises:
        BadInput: see `opinions`.
    """
    names = (*SEVERITIES, *ERROR_TYPES)
    found: dict[str, dict[str, Interval]] = {}
    told = [one for one in opinions(ratings) if one.time == 0]
    for adapter in in_order(ratings):
        of_case: dict[Hashable, list[Rating]] = {}
        units: dict[Hashable, Hashable] = {}
        for one in told:
            if one.rating.adapter == adapter and one.rating.misunderstanding is not None:
                of_case.setdefault(one.case, []).append(one.rating)
                units[one.case] = one.unit
        found[adapter] = {}
        if of_case:
            seen = ([[_has(r, name) for name in names] for r in rated] for rated in of_case.values())
            columns, n = np.stack([np.mean(one, axis=0) for one in seen]), len(of_case)
            drawn = resamples_of(tuple(units.values())).sums(np.column_stack([columns, np.ones(n)]))
            for place, name in enumerate(names):
                draws = drawn[:, place] / drawn[:, -1]
                found[adapter][name] = Sample(float(columns[:, place].mean()), draws, n).interval
    return found


def unjudged(ratings: Sequence[Rating]) -> dict[str, int]:
    """By adapter, of how many answers a rater says that they cannot judge them."""
    left_out = [one.rating for one in opinions(ratings) if one.time == 0]
    return {
        adapter: sum(r.misunderstanding is None for r in left_out if r.adapter == adapter)
        for adapter in in_order(ratings)
    }


def in_order(ratings: Sequence[Rating]) -> list[str]:
    """The adapters: the base, those of the variant sft, then the others as they come."""
    variants = {r.adapter: r.variant for r in ratings}
    return sorted(variants, key=lambda name: (name != BASE, variants[name] != "sft" and name != "sft"))


def rankings(ratings: Sequence[Rating]) -> list[Ranking]:
    """Each rater's order of the answers to each case at one sitting, of those that have a rank: ranks of two
    sittings do not lie on one scale."""
    found: dict[Hashable, dict[str, int]] = {}
    sat: dict[Hashable, Opinion] = {}
    for one in sorted(opinions(ratings), key=lambda one: one.rating.made_at):
        r = one.rating
        if r.rank is not None:
            sitting = (one.case, _question(r), r.rater, r.made_at)
            sat[sitting] = one
            found.setdefault(sitting, {})[r.adapter] = r.rank
    return [
        Ranking(one.case, found[sitting], rater=one.rating.rater, unit=one.unit)
        for sitting, one in sat.items()
    ]


def _has(rating: Rating, name: str) -> bool:
    """Whether the expert saw that severity or error type."""
    return name == rating.misunderstanding or name in rating.error_types


def _heard(v: Verdict) -> Iterator[_Said]:
    """The labels of one verdict."""
    item = (*_question(v), v.shown, v.answer_sha256)
    if v.task == "facts":
        found = labels(v.reply, facts=len(v.facts)) or []
        for number, label in enumerate(found):
            yield _Said((*item, v.facts, number), v.adapter, _question(v), v.judge, LABELS.index(label))
        return
    value: float | None
    if v.task == "correct":
        said = says_correct(v.reply)
        value = None if said is None else float(said)
    elif v.task == "relevance":
        grade = relevance(v.reply)
        value = None if grade is None else grade * 10
    else:
        report = counts(v.reply)
        value = None if report is None else green(report) * 10
    if value is not None:
        yield _Said(item, v.adapter, _question(v), v.judge, round(value))


def _rated(
    name: str, scale: tuple[str, ...], said: Iterable[_Said], *, ordered: bool, raters: list[str]
) -> Rated:
    by_item: dict[Hashable, dict[str, dict[str, int]]] = {}  # item, adapter, rater
    groups: dict[Hashable, Hashable] = {}
    for one in said:
        groups[one.item] = one.group
        of_adapter = by_item.setdefault(one.item, {}).setdefault(one.adapter, {})
        if of_adapter.setdefault(one.rater, one.label) != one.label:
            raise BadInput(f"{one.rater} says two things of one answer of {one.adapter} ({name})")
    rows, places = [], []
    for item, by_adapter in by_item.items():
        every: dict[str, set[int]] = {}
        for of_adapter in by_adapter.values():
            for rater, label in of_adapter.items():
                every.setdefault(rater, set()).add(label)
        if all(len(found) == 1 for found in every.values()):
            parts = [{rater: next(iter(found)) for rater, found in every.items()}]
        else:
            parts = list(by_adapter.values())
        rows += [[part.get(rater, -1) for rater in raters] for part in parts]
        places += [groups[item]] * len(parts)
    return Rated(
        name=name,
        labels=scale,
        ordered=ordered,
        raters=tuple(raters),
        said=np.array(rows, dtype=np.int64).reshape(len(rows), len(raters)),
        groups=tuple(places),
    )


def _question(of: Verdict | Rating) -> tuple[str, str, str]:
    return of.dataset, of.split, of.question_id
