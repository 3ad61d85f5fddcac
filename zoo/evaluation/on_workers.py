"""The same pass over benchmarks by several processes of a cluster, each with the base and the adapters.

Every process works out the same plan by itself and is told batches by number; the pictures' keys alone are
given to it, so that each picture is looked at once. What comes back is taken only from a plan that is equal
in all that decides the answers, so a node with other files, packages or precision is refused by name.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from zoo.bases import get_base
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.evaluation.part import short
from zoo.evaluation.pictures import Eyes, Keys
from zoo.evaluation.plan import Plan, planned
from zoo.evaluation.predict import Predictions, answered, collected, fill_bank
from zoo.manifest import read_manifest
from zoo.on_ray.shards import Workers
from zoo.records import Prediction
from zoo.vlm.model import load_base, load_outline
from zoo.vlm.precision import in_words, settled

_MOST = 8
"""Batches of a shard: more are lost with a worker, and fewer are asked for more often."""
_SHARDS = 8
"""Of each worker at least, where there are as many batches, so that all end at about the same time."""

Load = Callable[[], QuestionSet]
"""Reads a benchmark; what a worker is sent in its place."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that a process is told of an evaluation. Paths must hold wherever it runs."""

    base: str
    how: Mapping[str, Any]
    """What `load_base` takes beside the base."""
    adapters: tuple[Path, ...]
    names: tuple[str, ...]
    benchmarks: tuple[Load, ...]
    numbers: Mapping[str, Any]
    """`max_tokens`, `ablation`, `seed` and `rows` of `zoo.evaluation.predict.predict`."""


def predict_on(
    workers: Workers, evaluation: Evaluation, benchmarks: Sequence[QuestionSet], *, folder: Path
) -> Predictions:
    """The answers of `zoo.evaluation.predict.predict`, by `workers`; `benchmarks` are the evaluation's, read.

    A run of either kind goes on with what the other left in `folder`.

    Raises:
        BadInput: see `predict`; a worker's files, packages or precision are others than this machine's.
        ZooError: what went wrong in a worker, or with all of them.
    """
    began = time.monotonic()
    evaluation = replace(evaluation, how=settled(evaluation.how, on_gpu=workers.on_gpu))
    plan = planned(
        load_outline(get_base(evaluation.base)),
        [read_manifest(adapter) for adapter in evaluation.adapters],
        benchmarks,
        names=evaluation.names,
        precision=in_words(evaluation.how),
        **evaluation.numbers,
    )
    size = max(1, min(_MOST, len(plan.batches) // (_SHARDS * workers.count)))
    make = partial(_Worker, evaluation, plan.gallery.keys, size)

    def ask(first: int) -> Iterator[list[Prediction]]:
        shards = range(first, len(plan.batches), size)
        for shard, (job, answers) in zip(shards, workers.answers(make, shards), strict=True):
            _check(plan, job)
            for number, new in enumerate(answers, start=shard):
                if [(p.adapter, p.question_id) for p in new] != [
                    (answerer.name, one.question.id) for answerer, one in plan.due(number)
                ]:
                    raise BadInput("a worker was asked other questions than are due", hint=_ALIKE)
                yield new

    return collected(plan, ask, folder=folder, began=began)


_ALIKE = "every node needs the same packages and files, under the same paths: docs/scale.md"


class _Worker:
    """Answers shards: batches from the one of that number on."""

    def __init__(self, evaluation: Evaluation, keys: Keys, size: int) -> None:
        manifests = [read_manifest(adapter) for adapter in evaluation.adapters]
        self._vlm = load_base(get_base(evaluation.base), **evaluation.how)
        self._plan = planned(
            self._vlm,
            manifests,
            [load() for load in evaluation.benchmarks],
            names=evaluation.names,
            keys=keys,
            **evaluation.numbers,
        )
        fill_bank(self._vlm, evaluation.adapters, manifests)
        self._eyes = Eyes(self._vlm, self._plan.gallery, self._plan.batches)
        self._size = size

    def __call__(self, shard: int) -> tuple[Mapping[str, Any], list[list[Prediction]]]:
        numbers = range(len(self._plan.batches))[shard : shard + self._size]
        return self._plan.job, [answered(self._vlm, self._eyes, self._plan, number) for number in numbers]


def _check(plan: Plan, job: Mapping[str, Any]) -> None:
    """See that a worker's plan is this one."""
    for key in {**plan.job, **job}:
        if plan.job.get(key) != job.get(key):
            raise BadInput(
                f"{key}: {short(plan.job.get(key))} here, and {short(job.get(key))} in a worker", hint=_ALIKE
            )
