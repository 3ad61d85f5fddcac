"""Two workers of `medzoo evaluate --ray` against one process, by answers a second once they answer.

The same 800 questions to the phantom base and two random adapters, float32, on the CPU. On two cores each
worker has a core, and so has the one process where OMP_NUM_THREADS=1. What starting takes is told by itself:
the cluster, and from there to the first shard, the workers' imports and bases among it. Each worker's first
shard does not count. Where Ray is not installed there are no figures.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests._adapters import random_adapter
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.evaluation.on_workers import Evaluation, predict_on
from zoo.evaluation.predict import predict
from zoo.on_ray.shards import Workers, workers_of
from zoo.vlm.model import load_base

QUESTIONS, NAMES, REPETITIONS = 800, ("one", "two"), 3
NUMBERS = {"max_tokens": 64, "ablation": 0, "seed": 0, "rows": 64}


@dataclass(frozen=True, kw_only=True)
class Watched(Workers):
    """Workers of whose first reply it is noted when it came, and how many answers it has."""

    met: list[tuple[float, int]]

    def answers(self, make: Callable[[], Any], shards: Sequence[int]) -> Iterator[Any]:
        for number, reply in enumerate(super().answers(make, shards)):
            if not number:
                self.met.append((time.perf_counter(), sum(map(len, reply[1]))))
            yield reply


def measure() -> dict[str, float]:
    """Answers a second of both, their ratio, and the seconds before the first."""
    if find_spec("ray") is None:
        return {}
    load = partial(load_questions, "phantom", "test", limit=QUESTIONS)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for seed, name in enumerate(NAMES):
            random_adapter(folder / name, load_base(get_base("phantom")), seed=seed, spread=0.02)
        for repetition in range(REPETITIONS):
            for key, value in (_plain(folder, load) | _on_ray(folder, load, repetition)).items():
                found.setdefault(key, []).append(value)
    ratios = [
        two / one
        for two, one in zip(found["ray2_answers_per_second"], found["ray1_answers_per_second"], strict=True)
    ]
    return {
        **{key: statistics.median(values) for key, values in found.items()},
        "ray2_over_one_process": statistics.median(ratios),
    }


def _plain(folder: Path, load: partial[Any]) -> dict[str, float]:
    vlm = load_base(get_base("phantom"), device="cpu")
    began = time.perf_counter()
    done = predict(vlm, [folder / name for name in NAMES], [load()], names=NAMES, **NUMBERS)
    return {"ray1_answers_per_second": len(done.answers) / (time.perf_counter() - began)}


def _on_ray(folder: Path, load: partial[Any], number: int) -> dict[str, float]:
    told = Evaluation(
        base="phantom",
        how={"device": "cpu", "dtype": "auto", "quantize": None},
        adapters=tuple(folder / name for name in NAMES),
        names=NAMES,
        benchmarks=(load,),
        numbers=NUMBERS,
    )
    began, met = time.perf_counter(), list[tuple[float, int]]()
    with workers_of("local", count=2, device="cpu") as workers:
        ready = time.perf_counter()
        watched = Watched(where=workers.where, count=workers.count, on_gpu=workers.on_gpu, met=met)
        done = predict_on(watched, told, [load()], folder=folder / f"out{number}")
        ended = time.perf_counter()
    first, shard = met[0]
    return {
        "ray2_cluster_seconds": ready - began,
        "ray2_first_answer_seconds": first - ready,
        "ray2_answers_per_second": (len(done.answers) - workers.count * shard) / (ended - first),
    }
