"""Scores from predictions alone: no model, no torch. The same file gives the same numbers for ever."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from zoo.errors import BadInput
from zoo.evaluation.bootstrap import Interval, bootstrap_mean
from zoo.evaluation.metrics.vqa import correct, open_recall
from zoo.manifest import Evaluation
from zoo.manifest import Interval as Bounds
from zoo.records import BASE, Prediction

Metric = Callable[[Prediction], float]
METRICS: Mapping[str, Metric] = {"accuracy": correct, "open_recall": open_recall}


@dataclass(frozen=True)
class Score:
    """One metric of one adapter on one subset, and its paired differences from base and SFT."""

    adapter: str
    metric: str
    subset: str
    interval: Interval
    over_base: Interval | None
    """Paired difference from the base; None for the base itself, or where it was not asked."""
    over_sft: Interval | None
    base_value: float | None
    sft_value: float | None


def score_predictions(predictions: Sequence[Prediction], *, sft: str | None = None) -> list[Score]:
    """Every metric of every adapter on every subset, adapters in the order in which they appear.

    `sft` names the SFT adapter among them; without it, it is the one whose variant is `sft`, and where
    there is none, differences from it are None.

    Raises:
        BadInput: no predictions, an adapter twice on one question, adapters that did not answer the
            same questions, or no single SFT adapter of that name.
    """
    by_adapter = _by_adapter(predictions)
    sft = sft_adapter(predictions, sft)
    questions = next(iter(by_adapter.values()))
    scores = []
    for subset, ids in _subsets(questions.values()).items():
        for metric, rule in METRICS.items():
            if metric == "open_recall" and any(questions[i].answer_type == "closed" for i in ids):
                continue  # recall is for answers in words
            values = {name: [rule(answers[i]) for i in ids] for name, answers in by_adapter.items()}
            images = [questions[i].images for i in ids]
            scores += [_score(name, metric, subset, values, images, sft) for name in by_adapter]
    order = list(by_adapter)
    return sorted(scores, key=lambda s: order.index(s.adapter))


def sft_adapter(predictions: Iterable[Prediction], named: str | None = None) -> str | None:
    """Name of the SFT adapter among the predictions, or None where there is none.

    Raises:
        BadInput: none is named so, or there are several to choose from.
    """
    variants = {p.adapter: p.variant for p in predictions}
    if named:
        if named not in variants:
            raise BadInput(f"no adapter is named {named!r} among {', '.join(variants)}")
        return named
    found = [adapter for adapter, variant in variants.items() if variant == "sft"]
    if len(found) > 1:
        raise BadInput(f"several SFT adapters: {', '.join(found)}", hint="choose one with --sft NAME")
    return found[0] if found else None


def benchmark_fingerprint(predictions: Iterable[Prediction]) -> str:
    """sha256 over the questions asked, sorted by id: two scores are comparable only if it is the same."""
    asked = {
        p.question_id: [p.question_id, p.dataset, p.split, p.prompt, p.truth, p.answer_type, list(p.options)]
        for p in predictions
    }
    lines = [json.dumps(asked[key], ensure_ascii=False) for key in sorted(asked)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def as_evaluations(
    scores: Iterable[Score], predictions: Sequence[Prediction], adapter: str
) -> list[Evaluation]:
    """One adapter's scores in the manifest's form."""
    fingerprint = benchmark_fingerprint(predictions)
    first = predictions[0]
    return [
        Evaluation(
            metric=s.metric,
            subset=s.subset,
            dataset=first.dataset,
            split=first.split,
            value=_rounded(s.interval.value),
            low=_rounded(s.interval.low),
            high=_rounded(s.interval.high),
            n=s.interval.n,
            base_value=None if s.base_value is None else _rounded(s.base_value),
            over_base=_bounds(s.over_base),
            sft_value=None if s.sft_value is None else _rounded(s.sft_value),
            over_sft=_bounds(s.over_sft),
            fingerprint=fingerprint,
        )
        for s in scores
        if s.adapter == adapter
    ]


def _rounded(value: float) -> float:
    return round(value, 4)


def _bounds(difference: Interval | None) -> Bounds | None:
    return (
        None if difference is None else Bounds(low=_rounded(difference.low), high=_rounded(difference.high))
    )


def _by_adapter(predictions: Sequence[Prediction]) -> dict[str, dict[str, Prediction]]:
    if not predictions:
        raise BadInput("there are no predictions to score", hint="medzoo evaluate --help")
    by_adapter: dict[str, dict[str, Prediction]] = {}
    for p in predictions:
        answers = by_adapter.setdefault(p.adapter, {})
        if p.question_id in answers:
            raise BadInput(f"{p.adapter} answers the question {p.question_id} twice")
        answers[p.question_id] = p
    first, asked = next((name, set(answers)) for name, answers in by_adapter.items())
    for name, answers in by_adapter.items():
        if set(answers) != asked:
            odd = sorted(set(answers) ^ asked)
            raise BadInput(
                f"{name} and {first} did not answer the same questions: {len(odd)} differ, such as {odd[0]}"
            )
    return by_adapter


def _subsets(questions: Iterable[Prediction]) -> dict[str, list[str]]:
    """Question ids by subset: all, answer type, question type, error type."""
    subsets: dict[str, list[str]] = {"all": []}
    for q in questions:
        for subset in ("all", q.answer_type, q.question_type, *q.error_types):
            ids = subsets.setdefault(subset, [])
            if not ids or ids[-1] != q.question_id:  # "report" is an answer type and a question type
                ids.append(q.question_id)
    return subsets


def _score(
    name: str,
    metric: str,
    subset: str,
    values: Mapping[str, Sequence[float]],
    images: Sequence[tuple[str, ...]],
    sft: str | None,
) -> Score:
    def over(other: str | None) -> Interval | None:
        if other is None or other == name or other not in values:
            return None
        differences = [a - b for a, b in zip(values[name], values[other], strict=True)]
        return bootstrap_mean(differences, images)

    def mean(other: str | None) -> float | None:
        if other is None or other not in values:
            return None
        return sum(values[other]) / len(values[other])

    return Score(
        adapter=name,
        metric=metric,
        subset=subset,
        interval=bootstrap_mean(values[name], images),
        over_base=over(BASE),
        over_sft=over(sft) if name != BASE else None,
        base_value=mean(BASE),
        sft_value=mean(sft),
    )
