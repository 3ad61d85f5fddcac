"""Scores in the form in which a manifest keeps them: four digits, one adapter, one benchmark at a time."""

from collections.abc import Iterable, Sequence

from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.score import Difference, Score
from zoo.manifest import Bounds, Evaluation
from zoo.records import Prediction


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
            over_base=_bounds(s.over_base, s.interval.value, s.base_value),
            sft_value=_perhaps(s.sft_value),
            over_sft=_bounds(s.over_sft, s.interval.value, s.sft_value),
            shown=s.shown,
            own_value=_perhaps(s.own_value),
            lost=_bounds(s.lost, s.own_value, s.interval.value),
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


def _bounds(difference: Difference | None, value: float | None, other: float | None) -> Bounds | None:
    if difference is None:
        return None
    assert value is not None
    assert other is not None
    is_theirs = abs(difference.value - (value - other)) < 1e-9
    return Bounds(
        value=None if is_theirs else _rounded(difference.value),
        low=_rounded(difference.low),
        high=_rounded(difference.high),
        adjusted_p=round(difference.adjusted_p, 6),
    )
