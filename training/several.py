"""Several variants on one base and the same questions: one base in memory, one store of vision features and
reference log-probs, each pair set made once.

    OUT/VARIANT       an adapter each
    OUT/pairs         pair sets, each for every variant whose first stage has its steps
    OUT/sft           the adapter that all others begin from, where SFT is the reference
    OUT/several.json  what decides all of them, and which they are; they may become more

A variant that fails ends no other. What is finished is left alone, so a list that was stopped goes on.
"""

import gc
import hashlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from training.data import fits
from training.identity import open_job
from training.pairs.build import steps_as_data
from training.pairs.report import read_report
from training.processes import all_know
from training.stages import Job, make_pairs, run_stages, see_one_data_set, see_policy, sources_as_data
from training.start import Start, read_start
from training.variant import Variant
from zoo.errors import BadInput, TrainingFailed, ZooError
from zoo.manifest import LIST_NAME, MANIFEST_NAME, AdapterManifest, read_manifest
from zoo.run_log import read_log
from zoo.vlm.model import VisionLanguageModel

PAIRS_NAME = "pairs"
_FAILURES = (ZooError, ValidationError, torch.OutOfMemoryError)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one variant of the list."""

    variant: str
    folder: Path
    manifest: AdapterManifest | None = None
    """Of its adapter; None where there is none."""
    reason: str = ""
    """Why there is none."""
    fits: bool = True
    """False where no pairs can be made for it on this base and these questions."""


def run_several(
    load: Callable[[], VisionLanguageModel],
    variants: Sequence[Variant],
    job: Job,
    out: Path,
    *,
    find_start: Callable[[VisionLanguageModel], Start | None],
    sft: Variant | None = None,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Train each variant into `out/NAME`, all from one start; what became of each, in their order.

    With `sft`, that variant is trained first, on the questions, and is the others' start; it keeps its own
    numbers but for the LoRA's shape. `load` is called again after a variant that failed.

    Raises:
        BadInput: `out` holds adapters of another job, or SFT would be on another data set than the pairs.
        TrainingFailed: SFT, which the others were to begin from, could not be trained.
    """
    if sft is not None:
        see_one_data_set(job)
    runner = _Runner(load, job, out, say)
    start = find_start(runner.vlm())
    names = [variant.name for variant in variants]
    identity = _identity(runner.vlm(), variants, job, start, sft)
    job.execution.processes.by_main(lambda: _open(out, names, identity))
    found: dict[str, Outcome] = {}
    if sft is not None:
        found[sft.name] = runner.train_sft(sft)
        start = read_start(runner.vlm(), out / sft.name)
    pairs: dict[str, Path] = {}
    for variant in variants:
        if variant.name in found:
            continue
        made = runner.finished(variant) or runner.pairs(variant, start)
        if isinstance(made, Path):
            pairs[variant.name] = made
        else:
            found[variant.name] = made
    trainable = [variant for variant in variants if variant.name in pairs]
    for number, variant in enumerate(trainable, start=1):
        say(f"[{number} of {len(trainable)}] {variant.name}")
        found[variant.name] = runner.train(variant, replace(job, pairs=pairs[variant.name]), start)
    return [found[name] for name in names]


def endings(folder: Path) -> dict[str, float]:
    """The loss and the reward accuracies of a run as they ended: means over the last tenth of its steps.
    Nothing where its log is gone."""
    steps = [entry for entry in read_log(folder) if "event" not in entry]
    if not steps:
        return {}
    last = steps[-max(1, len(steps) // 10) :]
    names = [name for name in last[-1] if name == "loss" or name.startswith("accuracy_over_")]
    return {name: statistics.fmean(entry[name] for entry in last if name in entry) for name in names}


class _Runner:
    """Runs one variant after the other on one base, which a run that broke off makes be loaded anew."""

    def __init__(
        self, load: Callable[[], VisionLanguageModel], job: Job, out: Path, say: Callable[[str], None]
    ) -> None:
        self._load, self._job, self._out, self._say = load, job, out, say
        self._vlm: VisionLanguageModel | None = None
        self._asked: dict[Path, tuple[str, bool] | None] = {}
        """Of each pair set: why there is none, and whether that may change; None where there is one."""

    def vlm(self) -> VisionLanguageModel:
        if self._vlm is None:
            gc.collect()  # so that the one before is gone
            self._vlm = self._load()
        return self._vlm

    def finished(self, variant: Variant) -> Outcome | None:
        """What there is of a variant that is done with; None for one that is not."""
        folder = self._out / variant.name
        if not (folder / MANIFEST_NAME).exists():
            return None
        self._say(f"{variant.name} was finished before, in {folder}")
        return Outcome(variant=variant.name, folder=folder, manifest=read_manifest(folder))

    def train_sft(self, sft: Variant) -> Outcome:
        """The variant that all others begin from, trained from the base."""
        if done := self.finished(sft):
            return done
        self._say(f"{sft.name}, which the others begin from")
        job = replace(self._job, changes=shape_of(self._job.changes))
        made = self._make(sft, None)
        found = self.train(sft, replace(job, pairs=made), None) if isinstance(made, Path) else made
        if found.manifest is None:
            raise TrainingFailed(f"{sft.name}, which the others were to begin from: {found.reason}")
        return found

    def pairs(self, variant: Variant, start: Start | None) -> Path | Outcome:
        """The pair set of a variant's first stage, or why there can be none."""
        given = self._job.pairs
        if given is None:
            return self._make(variant, start)
        if fits(variant, given):
            return given
        reason = f"{given} holds pairs made otherwise than its own"
        return Outcome(variant=variant.name, folder=self._out / variant.name, reason=reason, fits=False)

    def train(self, variant: Variant, job: Job, start: Start | None) -> Outcome:
        """A variant's adapter in its folder, or why there is none."""
        folder = self._out / variant.name
        try:
            manifest = run_stages(self.vlm(), variant, job, folder, start=start)
            return Outcome(variant=variant.name, folder=folder, manifest=manifest)
        except _FAILURES as error:
            if job.execution.processes.count > 1 and not all_know(error):
                raise  # the others wait elsewhere, so all of them have to end
            reason = _reason(error)
        self._vlm = None  # the run's LoRA is still on it
        self._say(f"{variant.name} failed: {reason}")
        return Outcome(variant=variant.name, folder=folder, reason=reason)

    def _make(self, variant: Variant, start: Start | None) -> Path | Outcome:
        first = (*variant.earlier, variant)[0]
        folder = self._out / PAIRS_NAME / name_of(first)
        processes = self._job.execution.processes

        def make() -> tuple[str, bool] | None:
            if not processes.main or folder.exists():
                return None
            self._say(f"pairs for {variant.name}, in {folder}")
            try:
                see_policy(first, self._job)
                sources, vlm = self._job.sources, self.vlm()
                report = make_pairs(first, vlm.base, sources, folder, vlm=vlm, start=start)
            except _FAILURES as error:
                return _reason(error), not isinstance(error, BadInput)
            for line in report.lines():
                self._say(line)
            return None

        if folder not in self._asked:
            self._asked[folder] = processes.gathered(make)[0]
        if (failed := self._asked[folder]) is None:
            return folder
        reason, possible = failed
        self._say(f"{variant.name} has no pairs: {reason}")
        return Outcome(variant=variant.name, folder=self._out / variant.name, reason=reason, fits=possible)


def name_of(stage: Variant) -> str:
    """The name of the pair set that a stage's steps make; equal steps give equal names."""
    steps = steps_as_data(stage.steps)
    digest = hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:8]
    return "-".join([*(step["name"] for step in steps), digest]) if steps else "answers"


def shape_of(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some hyper-parameters that are the LoRA's shape, which all stages have in common."""
    return {name: numbers[name] for name in ("rank", "alpha", "use_rslora") if name in numbers}


def _open(out: Path, names: Sequence[str], identity: dict[str, Any]) -> None:
    """Adapters that another command put there would else be taken for some of this list."""
    there = [name for name in names if (out / name).exists()]
    if there and not (out / LIST_NAME).exists():
        raise BadInput(f"{out / there[0]} is of another command", hint="choose another --out")
    open_job(out / LIST_NAME, identity, variants=names)


def _identity(
    vlm: VisionLanguageModel, variants: Sequence[Variant], job: Job, start: Start | None, sft: Variant | None
) -> dict[str, Any]:
    """All that decides the adapters beside which variants they are of, JSON-ready."""
    return {
        "base": vlm.identity,
        "start": sft.name if sft else start.digest if start else "base",
        "settings": dict(variants[0].settings),
        "changes": dict(job.changes),
        "seed": job.seed,
        "pairs": read_report(job.pairs).fingerprint if job.pairs else None,
        **sources_as_data(job.sources),
    }


def _reason(error: BaseException) -> str:
    match error:
        case ZooError():
            return error.message
        case ValidationError():  # a manifest holds no number that is not finite
            return f"its manifest would not be valid: {error.errors()[0]['msg']}"
        case _:
            return f"out of memory: {str(error).partition('.')[0]}"
