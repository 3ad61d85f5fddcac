"""A variant from questions to an adapter in one go: pairs, training, stages and rounds in order.

Each stage begins from the adapter of the one before it, which is its reference too. What a stage has finished
is kept, so a run that was killed goes on with the stage that it was in. A LoRA has one shape in all stages.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from training.adapter import probed, write_adapter
from training.data import read_pair_set
from training.execution import Execution
from training.identity import open_job
from training.loop import Run, train
from training.pairs.build import build_pairs, steps_as_data
from training.pairs.report import PairReport, read_report
from training.pairs.step import Policy, Similarity, Tools
from training.plot import plot
from training.start import Start, policy_name, read_start
from training.variant import Numbers, Variant
from zoo.bases import Base
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.llm import TextModel
from zoo.manifest import JOB_NAME, MANIFEST_NAME, AdapterManifest, read_manifest
from zoo.records import to_line
from zoo.vlm.ask import Asker
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What pairs are made from and with."""

    questions: QuestionSet
    seed: int
    answers: Policy | None = None
    """Answers in place of the policy's own, such as from a file."""
    writer: TextModel | None = None
    debaters: tuple[TextModel, ...] = ()
    heat_maps: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """How a variant is to be trained."""

    sources: Sources
    seed: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Hyper-parameters other than the variant's; an earlier stage keeps its own but for the LoRA's shape."""
    pairs: Path | None = None
    """A pair set made before, for the first stage that has its steps; None: it is made here."""
    execution: Execution = field(default_factory=Execution)


def run_stages(
    vlm: VisionLanguageModel, variant: Variant, job: Job, out: Path, *, start: Start | None = None
) -> AdapterManifest:
    """Train every stage and round of a variant; the last one's adapter is in `out`, the others' in
    `out/stages`, each with its pairs in `pairs`.

    Raises:
        BadInput: `out` holds a finished adapter, or an unfinished one of another job; the pairs made before
            fit no stage, or are of another data set than the other stages'; the start has another shape
            than the one that was asked for.
    """
    if (out / MANIFEST_NAME).exists():
        raise BadInput(f"{out} holds a finished adapter", hint="choose another --out")
    plan = [*variant.earlier, *[variant] * variant.rounds]
    lora = _shape(variant, vlm.base, job, start)
    given = _stage_of_pairs(plan, job)
    for number, stage in enumerate(plan, start=1):
        if number != given:
            see_policy(stage, job)
    by_main = job.execution.processes.by_main
    by_main(lambda: open_job(out / JOB_NAME, _identity(vlm, plan, job, start)))
    for number, stage in enumerate(plan, start=1):
        last = number == len(plan)
        folder = out if last else out / "stages" / f"{number}-{stage.name}"
        if last or not (folder / MANIFEST_NAME).exists():
            pairs = job.pairs if number == given and job.pairs else folder / "pairs"
            by_main(partial(_see_to_pairs, vlm, stage, job, pairs, start))
            part = f" ({number} of {len(plan)})" if len(plan) > 1 else ""
            title = f"{stage.title}{part} on {vlm.base.name}"
            _train_one(vlm, stage, job, pairs, folder, start, lora, own=stage is variant, title=title)
        if not last:
            start = read_start(vlm, folder)
    by_main(lambda: (out / JOB_NAME).unlink(missing_ok=True))
    return read_manifest(out)


def make_pairs(
    variant: Variant,
    base: Base,
    sources: Sources,
    out: Path,
    *,
    vlm: VisionLanguageModel | None = None,
    start: Start | None = None,
) -> PairReport:
    """Make the pairs of one stage; its policy is `vlm` with the adapter `start`.

    Raises:
        BadInput: see `training.pairs.build.build_pairs`.
    """
    with tools_of(variant, base, sources, vlm=vlm, start=start) as tools:
        return build_pairs(variant.name, variant.steps, tools, out, base=base.pinned)


@contextmanager
def tools_of(
    variant: Variant,
    base: Base,
    sources: Sources,
    *,
    vlm: VisionLanguageModel | None = None,
    start: Start | None = None,
    precision: str = "",
) -> Iterator[Tools]:
    """What the steps of one stage use; its policy is `vlm` with the adapter `start`. `precision` is that of
    a model elsewhere, for which the sources' answers stand."""
    asked = vlm if variant.needs_policy and sources.answers is None else None
    with _policy(variant, sources, vlm, start) as policy:
        yield Tools(
            questions=sources.questions,
            seed=sources.seed,
            policy=policy,
            precision=asked.precision if asked else precision,
            writer=sources.writer,
            debaters=sources.debaters,
            similarity=_similarity(variant, base),
            heat_maps=sources.heat_maps,
        )


def resolved_numbers(variant: Variant, base: Base, changes: Mapping[str, Any]) -> Numbers:
    """A variant's hyper-parameters on a base: its learning rate scaled, its rank capped, then the changes."""
    numbers = variant.numbers
    rank = min(numbers.rank, base.max_rank or numbers.rank)
    fitted = replace(
        numbers,
        learning_rate=numbers.learning_rate * base.learning_rate_scale,
        rank=rank,
        alpha=numbers.alpha * rank // numbers.rank,
    )
    changed = replace(fitted, **changes)
    if "rank" in changes:  # alpha stays in proportion
        changed = replace(changed, alpha=fitted.alpha * changed.rank // fitted.rank)
    return changed


def _shape(variant: Variant, base: Base, job: Job, start: Start | None) -> LoraSpec:
    """The LoRA's shape in every stage, for each goes on in the last one's: the start's, or the variant's."""
    numbers = resolved_numbers(variant, base, job.changes)
    if start is None:
        return LoraSpec(r=numbers.rank, alpha=numbers.alpha, use_rslora=numbers.use_rslora)
    has = {"rank": start.lora.r, "alpha": start.lora.alpha, "use_rslora": start.lora.use_rslora}
    for name, value in has.items():
        if name in {*job.changes, *variant.settings} and getattr(numbers, name) != value:
            raise BadInput(
                f"{name} is to be {getattr(numbers, name)}, and the run goes on from an adapter whose {name} "
                f"is {value}",
                hint=f"leave {name} out",
            )
    return start.lora


def _stage_of_pairs(plan: Sequence[Variant], job: Job) -> int | None:
    """The number of the first stage that has the steps which made the job's pairs; None without pairs."""
    if job.pairs is None:
        return None
    report = read_report(job.pairs)
    fitting = [n for n, stage in enumerate(plan, start=1) if steps_as_data(stage.steps) == report.steps]
    if not fitting:
        raise BadInput(
            f"{job.pairs} holds pairs of the variant {report.variant}, made otherwise than those of "
            f"{plan[-1].name}",
            hint=f"medzoo pairs {plan[-1].name} --out DIR",
        )
    if len(plan) > 1:
        see_one_data_set(job)
    return fitting[0]


def see_one_data_set(job: Job) -> None:
    """See that a job's pairs, if they were made before, are of its questions' data set.

    Raises:
        BadInput: they are not.
    """
    if job.pairs is None:
        return
    report, questions = read_report(job.pairs), job.sources.questions
    if (report.dataset, report.split) != (questions.name, questions.split):
        raise BadInput(
            f"{job.pairs} holds pairs of {report.dataset}/{report.split}, and those of the other stages "
            f"would be made from {questions.name}/{questions.split}",
            hint=f"--dataset {report.dataset} --split {report.split}",
        )


def see_policy(stage: Variant, job: Job) -> None:
    """See that the model need not answer for a stage's pairs where its layers are shared out: the main
    process makes pairs, and alone it cannot run them.

    Raises:
        BadInput: it must.
    """
    if job.execution.processes.sharded and stage.needs_policy and job.sources.answers is None:
        raise BadInput(
            f"{stage.name} trains on answers of the model, which cannot be asked where FSDP shares it out",
            hint=f"medzoo pairs {stage.name} --out DIR first, then --pairs DIR; rounds do without FSDP",
        )


def sources_as_data(sources: Sources) -> dict[str, Any]:
    """All that decides the pairs which are made from these sources, JSON-ready."""
    asked = sources.questions
    return {
        "data set": f"{asked.name}/{asked.split}",
        "number of questions": len(asked.questions),
        "seed of the questions": sources.seed,
        "questions": hashlib.sha256("".join(map(to_line, asked.questions)).encode()).hexdigest(),
        "answers": sources.answers.name if sources.answers else None,
        "writer": sources.writer.name if sources.writer else None,
        "debaters": [model.name for model in sources.debaters],
        "heat maps": str(sources.heat_maps) if sources.heat_maps else None,
    }


def _identity(
    vlm: VisionLanguageModel, plan: Sequence[Variant], job: Job, start: Start | None
) -> dict[str, Any]:
    """All that decides a run of all stages, JSON-ready."""
    return {
        "base": vlm.identity,
        "start": start.digest if start else "base",
        "stages": [stage.name for stage in plan],
        "settings": dict(plan[-1].settings),
        "changes": dict(job.changes),
        "seed": job.seed,
        "pairs": read_report(job.pairs).fingerprint if job.pairs else None,
        **(sources_as_data(job.sources) if len(plan) > 1 or job.pairs is None else {}),
    }


def _train_one(
    vlm: VisionLanguageModel,
    stage: Variant,
    job: Job,
    pairs: Path,
    folder: Path,
    start: Start | None,
    lora: LoraSpec,
    *,
    own: bool,
    title: str,
) -> None:
    """Train one stage into its folder; the base is bare again afterwards."""
    data = read_pair_set(pairs, stage, base=vlm.base.pinned)
    numbers = resolved_numbers(stage, vlm.base, job.changes if own else {})
    numbers = replace(numbers, rank=lora.r, alpha=lora.alpha, use_rslora=lora.use_rslora)
    lora = replace(lora, dropout=numbers.dropout)
    run = Run(objective=stage.objective, numbers=numbers, lora=lora, seed=job.seed, start=start)
    trained = train(vlm, data, run, folder, job.execution, title=title)
    processes = job.execution.processes
    processes.by_main(lambda: plot(folder, title=title))
    probe = processes.gathered(lambda: probed(vlm, trained))[0]  # one alone may not be able to run the model
    processes.by_main(lambda: write_adapter(vlm, stage, data, run, trained, folder, probe))
    trained.lora.remove()


def _see_to_pairs(
    vlm: VisionLanguageModel, stage: Variant, job: Job, pairs: Path, start: Start | None
) -> None:
    """Make a stage's pairs where they are not there yet."""
    if not pairs.exists():
        make_pairs(stage, vlm.base, job.sources, pairs, vlm=vlm, start=start)


@contextmanager
def _policy(
    variant: Variant, sources: Sources, vlm: VisionLanguageModel | None, start: Start | None
) -> Iterator[Policy | None]:
    """The model as it stands, with the adapter that the stage begins from, as a source of answers."""
    if sources.answers is not None or vlm is None or not variant.needs_policy:
        yield sources.answers
        return
    if start is None:
        yield Asker(vlm)
        return
    lora = TrainableLora(vlm, start.lora, seed=0, start=start.tensors)
    try:
        yield Asker(vlm, name=policy_name(vlm.base, start))
    finally:
        lora.remove()


def _similarity(variant: Variant, base: Base) -> Similarity | None:
    """The base's contrastive encoder, where a step gives rewards."""
    if not any("rewards" in step.makes for step in variant.steps):
        return None
    from zoo.vlm.similarity import load_similarity

    return load_similarity(base)
