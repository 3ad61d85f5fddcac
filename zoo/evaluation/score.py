"""Scores from stored answers and verdicts alone, without a model: the same files, the same numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from zoo.errors import BadInput
from zoo.evaluation.answers import benchmark_fingerprint, benchmarks, pools, sft_adapter, subsets
from zoo.evaluation.bootstrap import Interval, Resamples, Sample
from zoo.evaluation.correction import holm
from zoo.evaluation.judged import Judged
from zoo.evaluation.metrics import Metric, get_metric, metrics
from zoo.evaluation.tables import Table, paired, sample_of, valid_rows
from zoo.manifest import Bounds, Evaluation
from zoo.records import BASE, Prediction, Shown, Verdict

MICRO, MACRO = "micro", "macro"
"""In the place of a data set: all questions pooled; the mean of the data sets' scores."""


@dataclass(frozen=True)
class Difference(Interval):
    """A paired difference of two scores on the same questions."""

    p: float = 1.0
    """Two-sided bootstrap p-value."""
    adjusted_p: float = 1.0
    """The same after Holm's correction for all comparisons of its family."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one adapter on one part of one benchmark, and its paired differences."""

    adapter: str
    variant: str
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
    """How many different pictures, or lists of pictures, were resampled."""
    failed: int = 0
    """Questions left out because the judge's reply could not be read."""
    seeds: int = 1
    """Adapters of one variant that were pooled; a question counts once, with its mean over them."""
    seed_sd: float | None = None
    """Standard deviation of their values; None for one."""
    base_value: float | None = None
    over_base: Difference | None = None
    """None for the base itself, or where it was not asked."""
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
    """Every metric of every adapter on every subset of every benchmark, adapters in the order in which they
    appear; with several benchmarks pooled and averaged too.

    `names` chooses metrics; without it the usual ones. `sft` names the SFT adapter; without it, it is the
    one whose variant is `sft`, and where there is none, differences from it are None. With `pool` adapters of
    one base and variant that differ in their training's seed count as one, of the variant's name.

    Raises:
        BadInput: no predictions, an adapter twice on one question, adapters that did not answer the
            same questions, no single SFT adapter of that name, or a verdict on another answer.
        UnknownName: no such metric.
    """
    answered = benchmarks(predictions)
    sft = sft_adapter(predictions, sft)
    variants = {p.adapter: p.variant for p in predictions}
    members = pools(predictions) if pool else {name: [name] for name in variants}
    reference = _References(base=BASE, sft=next((of for of, them in members.items() if sft in them), None))
    judged = Judged(verdicts)
    chosen = [get_metric(name) for name in names] if names else [m for m in metrics().values() if m.usual]
    scores: list[Score] = []
    for metric in chosen:
        for judge in judged.judges(metric):
            tables = [
                Table.of(metric, judge, where, shown, of_one, judged, members)
                for (where, shown), of_one in answered.items()
            ]
            own = [table for table in tables if table is not None and table.shown == "own"]
            for table in filter(None, tables):
                pictured = next((t for t in own if t.where == table.where), None)
                scores += _scores(metric, judge, table, pictured, reference, variants)
            if len(own) > 1:
                scores += _over_benchmarks(metric, judge, own, reference, variants)
    order = list(members)
    return sorted(_corrected(scores), key=lambda s: order.index(s.adapter))


@dataclass(frozen=True)
class _References:
    base: str
    sft: str | None


def _difference(sample: Sample) -> Difference:
    i = sample.interval
    return Difference(i.value, i.low, i.high, i.n, p=sample.p, adjusted_p=sample.p)


def _scores(
    metric: Metric,
    judge: str,
    whole: Table,
    pictured: Table | None,
    reference: _References,
    variants: Mapping[str, str],
) -> list[Score]:
    """Every adapter's score on every subset of one table; `pictured` is the same benchmark's own pictures."""
    scores = []
    for subset, chosen in subsets(whole.questions).items():
        table = whole.part(chosen)
        own = None
        if whole.shown != "own" and pictured is not None:
            places = {q.question_id: place for place, q in enumerate(pictured.questions)}
            if all(q.question_id in places for q in table.questions):
                own = pictured.part([places[q.question_id] for q in table.questions])
        resamples = table.resamples()

        def of(
            name: str, less: str | None = None, *, table: Table = table, resamples: Resamples = resamples
        ) -> Sample:
            rows = table.rows[name]
            if less is not None:
                return paired(resamples, rows, table.rows[less], metric)
            return sample_of(resamples, rows, valid_rows(rows), metric)

        for name, rows in table.rows.items():
            valid = valid_rows(rows)
            if not valid.any():
                raise BadInput(
                    f"{judge} gave no reply on {name}'s answers that could be read", hint="another judge"
                )
            score = Score(
                adapter=name,
                variant=variants.get(name, name),
                metric=metric.name,
                dataset=table.where[0],
                split=table.where[1],
                subset=subset,
                shown=table.shown,
                judge=judge,
                interval=of(name).interval,
                images=resamples.images,
                failed=int((~valid).sum()),
                **_over_seeds(table.members[name], metric),
            )
            score = _beside(score, reference, table.rows, of)
            if own is not None and name in own.rows:
                lost = paired(resamples, own.rows[name], rows, metric)
                score = replace(score, own_value=lost.value + score.interval.value, lost=_difference(lost))
            scores.append(score)
    return scores


def _over_benchmarks(
    metric: Metric, judge: str, tables: Sequence[Table], reference: _References, variants: Mapping[str, str]
) -> list[Score]:
    """Every adapter that answered all benchmarks, on all of them: pooled (micro), and their mean (macro)."""
    names = [name for name in tables[0].rows if all(name in table.rows for table in tables)]
    resamples = [table.resamples() for table in tables]

    def macro(name: str, less: str | None = None) -> Sample:
        samples = []
        for table, of_table in zip(tables, resamples, strict=True):
            rows = table.rows[name]
            samples.append(
                sample_of(of_table, rows, valid_rows(rows), metric)
                if less is None
                else paired(of_table, rows, table.rows[less], metric)
            )
        draws = np.mean([sample.draws for sample in samples], axis=0)
        return Sample(float(np.mean([s.value for s in samples])), draws, sum(s.n for s in samples))

    pooled = Resamples([(t.where, q.images) for t in tables for q in t.questions])
    rows = {name: np.concatenate([table.rows[name] for table in tables]) for name in names}

    def micro(name: str, less: str | None = None) -> Sample:
        if less is None:
            return sample_of(pooled, rows[name], valid_rows(rows[name]), metric)
        return paired(pooled, rows[name], rows[less], metric)

    scores = []
    for dataset, of in ((MICRO, micro), (MACRO, macro)):
        for name in names:
            score = Score(
                adapter=name,
                variant=variants.get(name, name),
                metric=metric.name,
                dataset=dataset,
                split="",
                subset="all",
                shown="own",
                judge=judge,
                interval=of(name).interval,
                images=pooled.images,
                failed=sum(int((~valid_rows(table.rows[name])).sum()) for table in tables),
            )
            scores.append(_beside(score, reference, names, of))
    return scores


def _beside(
    score: Score, reference: _References, names: Iterable[str], of: Callable[[str, str | None], Sample]
) -> Score:
    """The score with the base's and SFT's values, and the differences from them."""
    known = set(names)
    for role, other in (("base", reference.base), ("sft", reference.sft)):
        if other is None or other not in known:
            continue
        found: dict[str, Any] = {f"{role}_value": of(other, None).value}
        if score.adapter not in (other, BASE):
            found[f"over_{role}"] = _difference(of(score.adapter, other))
        score = replace(score, **found)
    return score


def _over_seeds(members: Sequence[Any], metric: Metric) -> dict[str, Any]:
    """How many adapters were pooled, and how far their values lie apart."""
    values = [float(metric.combine(rows[valid_rows(rows)].sum(axis=0))) for rows in members]
    return {"seeds": len(values), "seed_sd": float(np.std(values, ddof=1)) if len(values) > 1 else None}


def _corrected(scores: Iterable[Score]) -> list[Score]:
    """Differences with their p-values corrected, all of one metric on one benchmark being a family."""
    found: list[Score] = []

    def family(s: Score) -> tuple[str, ...]:
        return s.metric, s.judge, s.dataset, s.split, s.shown

    for _, group in groupby(sorted(scores, key=family), key=family):
        of_family = list(group)
        places = [
            (place, role)
            for place, score in enumerate(of_family)
            for role in ("over_base", "over_sft", "lost")
            if getattr(score, role) is not None
        ]
        adjusted = holm([getattr(of_family[place], role).p for place, role in places])
        for (place, role), p in zip(places, adjusted, strict=True):
            between = replace(getattr(of_family[place], role), adjusted_p=p)
            of_family[place] = replace(of_family[place], **{role: between})
        found += of_family
    return found


def as_evaluations(
    scores: Iterable[Score], predictions: Sequence[Prediction], adapter: str
) -> list[Evaluation]:
    """One adapter's scores on each benchmark in the manifest's form."""
    asked = {(p.dataset, p.split) for p in predictions}
    fingerprints = {
        where: benchmark_fingerprint(p for p in predictions if (p.dataset, p.split) == where)
        for where in asked
    }
    return [
        Evaluation(
            metric=s.metric,
            subset=s.subset,
            dataset=s.dataset,
            split=s.split,
            value=_rounded(s.interval.value),
            low=_rounded(s.interval.low),
            high=_rounded(s.interval.high),
            n=s.interval.n,
            base_value=_perhaps(s.base_value),
            over_base=_bounds(s.over_base),
            sft_value=_perhaps(s.sft_value),
            over_sft=_bounds(s.over_sft),
            shown=s.shown,
            own_value=_perhaps(s.own_value),
            lost=_bounds(s.lost),
            failed=s.failed,
            fingerprint=fingerprints[s.dataset, s.split],
            judge=s.judge,
        )
        for s in scores
        if s.adapter == adapter and (s.dataset, s.split) in fingerprints
    ]


def _rounded(value: float) -> float:
    return round(value, 4)


def _perhaps(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _bounds(difference: Difference | None) -> Bounds | None:
    if difference is None:
        return None
    return Bounds(
        low=_rounded(difference.low),
        high=_rounded(difference.high),
        adjusted_p=_rounded(difference.adjusted_p),
    )
