"""The acts of a study: make a pair set, train a run, ask a split. One base a process serves them all.

A run that cannot be trained is written down with its reason and ends nothing else.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from training.execution import Execution
from training.stages import Job as StagesJob
from training.stages import Sources, make_pairs, resolved_numbers, run_stages
from training.start import read_start
from training.study.plan import (
    Ask,
    Job,
    MakePairs,
    Settings,
    Train,
    failure_of,
    write_text,
)
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.errors import BadAdapter, BadInput, TrainingFailed
from zoo.evaluation.predict import predict
from zoo.manifest import MANIFEST_NAME
from zoo.records import BASE, write_jsonl
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.store import TensorStore


def act(job: Job, settings: Settings, out: Path) -> None:
    """Do a job; its result lies where `job` says."""
    match job:
        case MakePairs():
            _recording(job.outcome(out), lambda: _make_pairs(job, settings, out))
        case Train():
            _recording(job.outcome(out), lambda: _train(job, settings, out))
        case Ask():
            _ask(job, settings, out)


def declared_rate(variant: str, base: str) -> float:
    """The learning rate that a variant has on that base."""
    return resolved_numbers(get_variant(variant), get_base(base), {}).learning_rate


def _make_pairs(job: MakePairs, settings: Settings, out: Path) -> None:
    variant, vlm = get_variant(job.variant), _bare_base(settings)
    first = (*variant.earlier, variant)[0]
    if not job.folder(out).exists():  # it is there if a kill came between it and its outcome
        make_pairs(first, vlm.base, _sources(settings, job.seed), job.folder(out), vlm=vlm)


def _train(job: Train, settings: Settings, out: Path) -> None:
    pairs = MakePairs(job.variant, job.seed)
    if reason := failure_of(pairs, out):
        raise TrainingFailed(reason)
    changes: dict[str, float] = {"learning_rate": declared_rate(job.variant, settings.base) * job.rate}
    if settings.epochs:
        changes["epochs"] = settings.epochs
    stages = StagesJob(
        sources=_sources(settings, job.seed),
        seed=job.seed,
        changes=changes,
        pairs=pairs.folder(out),
        execution=Execution(store=_store()),
    )
    if not (job.folder(out) / MANIFEST_NAME).exists():
        run_stages(_bare_base(settings), get_variant(job.variant), stages, job.folder(out))
    read_start(_bare_base(settings), job.folder(out))  # what the bank would refuse has failed


def _ask(job: Ask, settings: Settings, out: Path) -> None:
    limit = settings.validation_limit if job.split == "validation" else settings.test_limit
    vlm = _load(settings)  # its bank stays on it, so it cannot be the one that trains
    names = [run.name for run in job.runs]
    asked = [_questions(settings, job.split, limit, 0)]
    found = predict(vlm, [run.folder(out) for run in job.runs], asked, names=names).answers
    for name, path in zip(names or [BASE], job.files(out), strict=True):
        write_jsonl(path, [p for p in found if p.adapter == name])


def _recording(outcome: Path, do: Callable[[], None]) -> None:
    failed = None
    try:
        do()
    except (TrainingFailed, BadInput, BadAdapter) as error:
        failed = error.message
    except ValidationError as error:  # a manifest holds no number that is not finite
        failed = f"its manifest would not be valid: {error.errors()[0]['msg']}"
    if failed is not None:
        _bare_base.cache_clear()  # a run that broke off leaves its LoRA behind
    write_text(outcome, json.dumps({"failed": failed}) + "\n")


@cache
def _bare_base(settings: Settings) -> VisionLanguageModel:
    return _load(settings)


def _load(settings: Settings) -> VisionLanguageModel:
    return load_base(get_base(settings.base), dtype=settings.dtype)


@cache
def _store() -> TensorStore:
    """Pictures seen and what the reference said, for all runs of this process."""
    return TensorStore()


@cache
def _questions(settings: Settings, split: str, limit: int, seed: int) -> QuestionSet:
    folder = Path(settings.data_dir) if settings.data_dir else None
    return load_questions(settings.dataset, split, data_dir=folder, limit=limit, seed=seed)


def _sources(settings: Settings, seed: int) -> Sources:
    return Sources(questions=_questions(settings, "train", settings.limit, seed), seed=seed)
