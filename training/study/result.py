"""What a study found, from the answers, manifests and reports in its folder alone: no model.

A question's value for a variant is the mean over its seeds of whether the answer is right. Intervals
resample images, so they say how far other questions could move a number, not how far other seeds could: the
spread over seeds stands beside them.
"""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.pairs.report import read_report
from training.provenance import commit, versions
from training.study.jobs import declared_rate
from training.study.plan import (
    SFT,
    MakePairs,
    Settings,
    Train,
    base_answers,
    best_rate,
    failure_of,
    search_jobs,
)
from zoo.bases import get_base
from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.bootstrap import Interval, bootstrap_mean
from zoo.evaluation.metrics.vqa import correct
from zoo.manifest import read_manifest
from zoo.records import BASE, Prediction, read_jsonl

SUBSETS = ("all", "closed", "open", "report", "MM", "AM", "SLC", "LAS")
"""The whole test set, then by answer type, then by error type."""
TWINS = {"targeted_dpo": "text_hallu", "targeted_copo": "image_noise", "targeted_mdpo": "mdpo"}
"""Each targeted variant and the untargeted one of the same objective."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy on a subset, and paired differences where there is something to differ from."""

    accuracy: Interval
    over_base: Interval | None = None
    over_sft: Interval | None = None
    over_twin: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A learning rate on the validation split, seed 0."""

    multiple: float
    learning_rate: float
    accuracy: float | None
    failed: str | None


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One seed at the chosen rate."""

    seed: int
    accuracy: float | None
    failed: str | None
    pairs: list[dict[str, Any]]
    """Of each stage or round: `kept`, and `dropped` by reason."""
    commit: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant's outcome; `base` is one that was not trained."""

    name: str
    tried: list[Tried]
    rate: float | None
    """Chosen multiple of the declared learning rate."""
    seeds: list[Seed]
    twin: str | None
    scores: dict[str, Score]
    """By subset; empty where every rate or seed failed."""

    @property
    def spread(self) -> float | None:
        """Standard deviation of the accuracy over seeds."""
        found = [s.accuracy for s in self.seeds if s.accuracy is not None]
        return statistics.stdev(found) if len(found) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Study:
    """All that is reported."""

    settings: Settings
    about: dict[str, Any]
    """Base, code, machine, time, and what was asked."""
    rows: list[Row]

    def as_data(self) -> dict[str, Any]:
        """JSON-ready."""
        rows = [asdict(row) | {"spread": row.spread} for row in self.rows]
        return {
            "command": self.settings.command(),
            "settings": asdict(self.settings),
            **self.about,
            "rows": rows,
        }


def chosen_rates(settings: Settings, out: Path) -> dict[str, float | None]:
    """Each variant's rate by validation accuracy on seed 0; None where every rate failed."""
    accuracies: dict[str, dict[float, float | None]] = {name: {} for name in settings.variants}
    for run in search_jobs(settings):
        accuracies[run.variant][run.rate] = _validation(run, out)
    return {name: best_rate(found) for name, found in accuracies.items()}


def read_study(settings: Settings, out: Path) -> Study:
    """The outcome of a study whose jobs are all done."""
    base = _read(base_answers(out, "test"))
    answers: dict[str, dict[int, list[Prediction]]] = {}
    rates = chosen_rates(settings, out)
    for name, rate in rates.items():
        runs = [Train(name, seed, rate) for seed in range(settings.seeds)] if rate is not None else []
        answers[name] = {r.seed: _read(r.answers(out, "test")) for r in runs if failure_of(r, out) is None}
    rights = {name: {s: _right(ps) for s, ps in found.items()} for name, found in answers.items()}
    rows = [Row(name=BASE, tried=[], rate=None, seeds=[], twin=None, scores=_base_scores(base))]
    for name, rate in rates.items():
        twin = TWINS.get(name)
        rows.append(
            Row(
                name=name,
                tried=[_tried(run, settings, out) for run in search_jobs(settings) if run.variant == name],
                rate=rate,
                seeds=[_seed(Train(name, s, rate), out) for s in range(settings.seeds)]
                if rate is not None
                else [],
                twin=twin,
                scores=_scores(name, rights, base, twin),
            )
        )
    validation = _read(base_answers(out, "validation"))
    about = {
        "base": get_base(settings.base).pinned,
        "commit": commit(),
        "versions": versions(),
        "hardware": f"CPU, {platform.machine()}, {os.cpu_count()} cores, one thread a run",
        **_times(out),
        "validation": {
            "questions": len(validation),
            "base_accuracy": _mean(_right(validation)),
            "fingerprint": benchmark_fingerprint(validation),
        },
        "test": {
            "questions": len(base),
            "images": len({p.images for p in base}),
            "fingerprint": benchmark_fingerprint(base),
        },
    }
    return Study(settings=settings, about=about, rows=rows)


def subset_of(prediction: Prediction, subset: str) -> bool:
    """Whether the question belongs to one of `SUBSETS`."""
    return subset == "all" or subset == prediction.answer_type or subset in prediction.error_types


def _scores(
    name: str, rights: Mapping[str, Mapping[int, list[float]]], base: Sequence[Prediction], twin: str | None
) -> dict[str, Score]:
    if not rights[name]:
        return {}
    own = _over_seeds(rights[name], rights[name])
    of_sft, of_twin = (
        _difference(rights[name], rights.get(other, {})) if other and other != name else None
        for other in (SFT, twin)
    )
    over_base = [a - b for a, b in zip(own, _right(base), strict=True)]
    return {
        subset: Score(
            accuracy=_interval(own, base, chosen),
            over_base=_interval(over_base, base, chosen),
            over_sft=_interval(of_sft, base, chosen) if of_sft else None,
            over_twin=_interval(of_twin, base, chosen) if of_twin else None,
        )
        for subset, chosen in _members(base).items()
    }


def _base_scores(base: Sequence[Prediction]) -> dict[str, Score]:
    right = _right(base)
    return {
        subset: Score(accuracy=_interval(right, base, chosen)) for subset, chosen in _members(base).items()
    }


def _members(base: Sequence[Prediction]) -> dict[str, list[int]]:
    """Numbers of the questions of each subset that has any."""
    found = {subset: [n for n, p in enumerate(base) if subset_of(p, subset)] for subset in SUBSETS}
    return {subset: chosen for subset, chosen in found.items() if chosen}


def _difference(own: Mapping[int, list[float]], other: Mapping[int, list[float]]) -> list[float] | None:
    """Per question, the mean over the seeds that both have of the difference."""
    shared = own.keys() & other.keys()
    if not shared:
        return None
    pairs = zip(_over_seeds(own, shared), _over_seeds(other, shared), strict=True)
    return [a - b for a, b in pairs]


def _over_seeds(rights: Mapping[int, list[float]], seeds: Any) -> list[float]:
    """Per question, the mean over seeds."""
    return [sum(values) / len(values) for values in zip(*(rights[s] for s in sorted(seeds)), strict=True)]


def _interval(values: Sequence[float], base: Sequence[Prediction], chosen: Sequence[int]) -> Interval:
    return bootstrap_mean([values[n] for n in chosen], [base[n].images for n in chosen])


def _tried(run: Train, settings: Settings, out: Path) -> Tried:
    return Tried(
        multiple=run.rate,
        learning_rate=declared_rate(run.variant, settings.base) * run.rate,
        accuracy=_validation(run, out),
        failed=failure_of(run, out),
    )


def _seed(run: Train, out: Path) -> Seed:
    folder = run.folder(out)
    failed = failure_of(run, out)
    if failed is not None:
        return Seed(seed=run.seed, accuracy=None, failed=failed, pairs=[], commit="")
    shared = MakePairs(run.variant, run.seed).folder(out)
    later = [path for path in (*sorted(folder.glob("stages/*/pairs")), folder / "pairs") if path.exists()]
    reports = [read_report(path) for path in (shared, *later)]
    return Seed(
        seed=run.seed,
        accuracy=_mean(_right(_read(run.answers(out, "test")))),
        failed=None,
        pairs=[{"kept": report.kept, "dropped": report.dropped} for report in reports],
        commit=read_manifest(folder).commit,
    )


def _validation(run: Train, out: Path) -> float | None:
    if failure_of(run, out) is not None:
        return None
    return _mean(_right(_read(run.answers(out, "validation"))))


def _times(out: Path) -> dict[str, float]:
    """Seconds of all sessions of the study, and processor seconds of all its jobs."""
    lines = (out / "jobs.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    sessions = {e["session"]: e["elapsed"] for e in entries}  # the last of each session stays
    cpu = sum(e["cpu_seconds"] for e in entries)
    return {"seconds": round(sum(sessions.values()), 1), "cpu_seconds": round(cpu, 1)}


def _read(path: Path) -> list[Prediction]:
    return read_jsonl(path, Prediction)


def _right(predictions: Sequence[Prediction]) -> list[float]:
    return [correct(p) for p in predictions]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
