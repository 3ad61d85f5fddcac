"""Scores from stored answers and verdicts alone, without a model: the same files, the same numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from zoo.evaluation.answers import (
    Answers,
    Where,
    asked,
    benchmarks,
    by_base,
    pools,
    sft_adapter,
)
from zoo.evaluation.bootstrap import Floats, Interval, Sample
from zoo.evaluation.correction import holm
from zoo.evaluation.judged import Judged
from zoo.evaluation.metrics import Metric, get_metric, left_out, metrics
from zoo.evaluation.tables import Combine, Mask, Paired, Questions, Sums, Table, average
from zoo.records import BASE, Prediction, Shown, Verdict

MICRO, MACRO = "micro", "macro"
"""In the place of a data set: all questions pooled; the mean of the data sets' scores."""
WHOLE = "all"
"""The subset that is the whole benchmark."""


@dataclass(frozen=True)
class Difference(Interval):
    """A paired difference of two scores on the same questions."""

    p: float = 1.0
    """Two-sided, see `Sample.p`."""
    adjusted_p: float = 1.0
    """The same after Holm's correction for all comparisons of its family."""
    family: int = 1
    """How many comparisons the family has."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one adapter on one part of one benchmark, and its paired differences."""

    adapter: str
    variant: str
    base: str = ""
    """`name@revision` of the base."""
    metric: str
    dataset: str
    """A data set's name, `micro` or `macro`."""
    split: str
    """Empty for `micro` and `macro`."""
    subset: str
    """`all`, an answer type, a question type or an error type."""
    shown: Shown
    """Other than `own` it is an image ablation."""
    judge: str
    """The judge of a metric that needs one, with its version; `rules` for a metric that is a rule."""
    interval: Interval
    images: int
    """How many different pictures, or lists of pictures, the questions are about."""
    failed: int = 0
    """Questions left out because the judge's reply could not be read."""
    seeds: int = 1
    """Adapters of one variant that were pooled; a question counts once, with its mean over them."""
    seed_sd: float | None = None
    """Standard deviation of their values; None for one."""
    base_value: float | None = None
    """The base's score; like all values it is over the questions that it has one on."""
    over_base: Difference | None = None
    """None for the base itself, in an image ablation, or where it was not asked."""
    sft_value: float | None = None
    over_sft: Difference | None = None
    own_value: float | None = None
    lost: Difference | None = None
    """In an image ablation: the same questions with their own pictures, less this."""


def score_predictions(
    predictions: Sequence[Prediction],
    *,
    verdicts: Sequence[Verdict] = (),
    sft: str | None = None,
    names: Sequence[str] | None = None,
    pool: bool = False,
) -> list[Score]:
    """Every metric of every adapter on every subset of every benchmark, with several benchmarks pooled and
    averaged too; each base by itself. The base and SFT come first, then the others as they appear.

    `names` chooses metrics; without it the usual ones whose library is here. One that is for none of the
    questions, or needs a judge where there is no verdict, gives no score; nor has an adapter one by a judge
    of whose replies on it none can be read (see `unread_lines`). `sft` names the SFT adapter; without it, it
    is the one whose variant is `sft`, and where there is none, differences from it are None.
    With `pool` adapters of one base and variant that differ in their training's seed count as one, of the
    variant's name.

    Raises:
        BadInput: no predictions, an adapter twice on one question, adapters that did not answer the
            same questions, no single SFT adapter of that name, or a verdict on another answer.
        UnknownName: no such metric.
        NotInstalled: one of `names` needs a library that is not here.
    """
    bases = by_base(predictions)
    judged = Judged(verdicts)
    absent = {} if names else left_out(predictions)
    usual = (m for m in metrics().values() if m.usual and m.name not in absent)
    chosen = [get_metric(name) for name in names] if names else list(usual)
    here = {base: {name for p in of for name in (p.adapter, p.variant)} for base, of in bases.items()}
    everywhere = set().union(*here.values())
    scores: list[Score] = []
    for base, answers in bases.items():
        named = None if sft in everywhere - here[base] else sft  # one unknown to all is refused
        of_base = _Base.of(base, answers, judged, sft=named, pool=pool)
        scores += [score for metric in chosen for score in of_base.scores(metric)]
    return _corrected(scores)


@dataclass(frozen=True, kw_only=True)
class _Base:
    """All answers that rest on one base, ready to be scored."""

    name: str
    answered: Mapping[tuple[Where, Shown], Mapping[str, Answers]]
    questions: Mapping[Where, Questions]
    judged: Judged
    members: Mapping[str, Sequence[str]]
    """Adapters by the name under which they are scored; base and SFT first."""
    variants: Mapping[str, str]
    sft: str | None

    @classmethod
    def of(
        cls, name: str, predictions: Sequence[Prediction], judged: Judged, *, sft: str | None, pool: bool
    ) -> "_Base":
        answered = benchmarks(predictions)
        variants = {p.adapter: p.variant for p in predictions}
        members = pools(predictions) if pool else {adapter: [adapter] for adapter in variants}
        reference = sft_adapter(predictions, sft, pool=pool)
        first = [one for one in (BASE, reference) if one in members]
        wheres = dict.fromkeys(where for where, _ in answered)
        return cls(
            name=name,
            answered=answered,
            questions={
                where: Questions(where, asked(found for key, found in answered.items() if key[0] == where))
                for where in wheres
            },
            judged=judged,
            members={one: members[one] for one in dict.fromkeys([*first, *members])},
            variants={one: variants[them[0]] for one, them in members.items()},
            sft=reference,
        )

    def scores(self, metric: Metric) -> list[Score]:
        """Of every adapter on every benchmark, and over all of a judge's benchmarks."""
        judges: dict[str, dict[tuple[Where, Shown], Table]] = {}
        for (where, shown), answers in self.answered.items():
            for judge in self.judged.judges(metric, where, shown):
                table = Table.of(
                    metric, judge, self.questions[where], shown, answers, self.judged, self.members
                )
                if table is not None:
                    judges.setdefault(judge, {})[where, shown] = table
        found = []
        for judge, tables in judges.items():
            for (where, shown), table in tables.items():
                own = tables.get((where, "own")) if shown != "own" else None
                found += self._on(metric, judge, where, [table], own=own)
            several = [table for table in tables.values() if table.shown == "own"]
            if len(several) > 1:
                found += self._on(metric, judge, (MICRO, ""), several)
                found += self._on(metric, judge, (MACRO, ""), several, macro=True)
        order = list(self.members)
        return sorted(found, key=lambda score: order.index(score.adapter))

    def _on(
        self,
        metric: Metric,
        judge: str,
        where: Where,
        tables: Sequence[Table],
        *,
        own: Table | None = None,
        macro: bool = False,
    ) -> list[Score]:
        """Every adapter that is in all tables, on every subset that all have.

        `own` is the table of the same questions with their own pictures. Several benchmarks stay as large as
        they are: images are drawn within each.
        """
        scores = []
        shown, combine = tables[0].shown, metric.combine
        here = [name for name in self.members if all(name in table.rows for table in tables)]
        roles = {role: one for role, one in (("base", BASE), ("sft", self.sft)) if one in here}
        for name in here:
            sums = [table.sums(name) for table in tables]
            differences = {
                f"over_{role}": [table.paired(name, other) for table in tables]
                for role, other in roles.items()
                if shown == "own" and name not in (other, BASE)
            }
            if own is not None and name in own.rows:
                differences["lost"] = [own.paired(name, name, tables[0])]
            for subset in (one for one in sums[0] if all(one in of_table for of_table in sums)):
                masks = [table.mask(subset) for table in tables]
                valid = [table.mask(subset, name) for table in tables]
                score = Score(
                    adapter=name,
                    variant=self.variants[name],
                    base=self.name,
                    metric=metric.name,
                    dataset=where[0],
                    split=where[1],
                    subset=subset,
                    shown=shown,
                    judge=judge,
                    interval=_sample([of_table[subset] for of_table in sums], combine, macro).interval,
                    images=sum(t.questions.images(mask) for t, mask in zip(tables, valid, strict=True)),
                    failed=int(sum(mask.sum() for mask in masks) - sum(mask.sum() for mask in valid)),
                    **_over_runs([t.rows[name] for t in tables], valid, combine, macro),
                )
                found: dict[str, Any] = {
                    key: _difference(_sample([one[subset] for one in of_tables], combine, macro))
                    for key, of_tables in differences.items()
                    if all(subset in one for one in of_tables)
                }
                for role, other in roles.items():
                    beside = [table.sums(other) for table in tables]
                    if all(subset in of_table for of_table in beside):
                        totals = [of_table[subset].total for of_table in beside]
                        found[f"{role}_value"] = float(_values(totals, combine, macro))
                if "lost" in found and own is not None:
                    totals = [own.sums(name, tables[0].applies)[subset].total]
                    found["own_value"] = float(_values(totals, combine, macro))
                scores.append(replace(score, **found))
        return scores


def _sample(parts: Sequence[Sums] | Sequence[Paired], combine: Combine, macro: bool) -> Sample:
    """Over several benchmarks: their mean, or all questions pooled."""
    if macro:
        return average([part.sample(combine) for part in parts])
    pooled = parts[0]
    for part in parts[1:]:
        pooled = pooled + part  # type: ignore[operator]  # all are of one kind
    return pooled.sample(combine)


def _values(totals: Sequence[Floats], combine: Combine, macro: bool) -> Floats:
    """The same of sums (..., k) alone."""
    if macro:
        return np.asarray(np.mean([combine(total) for total in totals], axis=0))
    return combine(np.sum(totals, axis=0))


def _over_runs(
    rows: Sequence[Floats], valid: Sequence[Mask], combine: Combine, macro: bool
) -> dict[str, Any]:
    """How many adapters were pooled, and how far their values lie apart."""
    totals = [of_table[:, mask].sum(axis=1) for of_table, mask in zip(rows, valid, strict=True)]
    runs = min(len(total) for total in totals)
    if runs == 1 or any(len(total) != runs for total in totals):
        return {"seeds": runs}
    return {"seeds": runs, "seed_sd": float(np.std(_values(totals, combine, macro), ddof=1))}


def _difference(sample: Sample) -> Difference:
    i, p = sample.interval, sample.p
    return Difference(i.value, i.low, i.high, i.n, p=p, adjusted_p=p)


def _corrected(scores: Iterable[Score]) -> list[Score]:
    """Differences with their p-values corrected.

    A family is all differences of one metric on one benchmark: from the base and from SFT, of every adapter.
    The whole benchmark is one, all its subsets together another, so that looking into parts does not cost
    the main question its answer. What both image ablations lost is parted likewise.
    """
    found = list(scores)

    def family(place: int) -> tuple[object, ...]:
        s = found[place]
        return s.base, s.metric, s.judge, s.dataset, s.split, s.shown == "own", s.subset == WHOLE

    for _, group in groupby(sorted(range(len(found)), key=family), key=family):
        compared = [
            (place, role)
            for place in group
            for role in ("over_base", "over_sft", "lost")
            if getattr(found[place], role) is not None
        ]
        adjusted = holm([getattr(found[place], role).p for place, role in compared])
        for (place, role), p in zip(compared, adjusted, strict=True):
            difference = replace(getattr(found[place], role), adjusted_p=p, family=len(compared))
            found[place] = replace(found[place], **{role: difference})
    return found
