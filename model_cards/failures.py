"""An adapter's known failures: a few of its wrong answers, chosen by rule and quoted.

The rule: of the questions with their own pictures, in the order of their names, the first ones that it
answers wrongly and the base rightly, and the first ones that both answer wrongly. Only answers that may be
passed on are quoted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.evaluation.metrics import get_metric
from zoo.manifest import AdapterManifest, Benchmark, predictions_name
from zoo.records import BASE, Prediction, read_jsonl

MOST = 3
"""Of each kind, over all benchmarks."""
METRIC = "accuracy"
"""By which an answer is right or wrong."""

Pair = tuple[Prediction, Prediction]
"""The adapter's answer and the base's to one question."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Wrong answers of an adapter, with the base's, and how many of each kind there are."""

    lost: tuple[Pair, ...] = ()
    """The base was right."""
    both: tuple[Pair, ...] = ()
    """The base was wrong as well."""
    lost_of: int = 0
    both_of: int = 0
    asked: int = 0
    """Questions of which the answers of both are there."""
    withheld: tuple[str, ...] = ()
    """Benchmarks whose answers may not be passed on."""


def failures(folder: Path, manifest: AdapterManifest) -> Failures:
    """The failures that the answers in the adapter's folder show; none where there are no answers.

    Raises:
        BadRecord: a file of answers is broken.
    """
    pairs: list[Pair] = []
    for benchmark in _ordered(manifest.benchmarks):
        path = folder / predictions_name(benchmark.dataset, benchmark.split)
        if benchmark.publishable and path.is_file():
            pairs += _pairs(read_jsonl(path, Prediction), manifest.weights_sha256)
    lost = [pair for pair in pairs if not _right(pair[0]) and _right(pair[1])]
    both = [pair for pair in pairs if not _right(pair[0]) and not _right(pair[1])]
    return Failures(
        lost=_first(lost),
        both=_first(both),
        lost_of=len(lost),
        both_of=len(both),
        asked=len(pairs),
        withheld=tuple(f"{b.dataset}/{b.split}" for b in _ordered(manifest.benchmarks) if not b.publishable),
    )


def _ordered(benchmarks: Sequence[Benchmark]) -> list[Benchmark]:
    return sorted(benchmarks, key=lambda b: (b.dataset, b.split))


def _pairs(predictions: Sequence[Prediction], digest: str) -> list[Pair]:
    def by_question(chosen: Callable[[Prediction], bool]) -> dict[str, Prediction]:
        return {p.question_id: p for p in predictions if p.shown == "own" and chosen(p)}

    mine = by_question(lambda p: p.digest == digest)
    base = by_question(lambda p: p.adapter == BASE)
    return [(mine[key], base[key]) for key in sorted(mine.keys() & base.keys())]


def _right(prediction: Prediction) -> bool:
    metric = get_metric(METRIC)
    statistics = metric.statistics(prediction, None)
    return statistics is not None and float(metric.combine(np.array(statistics))) == 1.0


def _first(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    return tuple(pairs[:MOST])
