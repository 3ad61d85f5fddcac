"""A variant from questions to an adapter in one go: pairs, training, stages and rounds in order.

Each stage begins from the adapter of the one before it, which is its reference too. What a stage has finished
is kept, so a run that was killed goes on with the stage that it was in.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training.adapter import write_adapter
from training.data import read_pair_set
from training.loop import CHECKPOINT_EVERY, Run, train
from training.pairs.build import build_pairs
from training.pairs.report import PairReport
from training.pairs.step import Policy, Similarity, Tools
from training.start import Start, read_start
from training.variant import Numbers, Variant
from zoo.bases import Base
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.llm import TextModel
from zoo.manifest import MANIFEST_NAME, AdapterManifest, read_manifest
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
    """Hyper-parameters other than the variant's; an earlier stage keeps its own."""
    pairs: Path | None = None
    """A pair set made before, for the first stage; None: it is made here."""
    checkpoint_every: int = CHECKPOINT_EVERY


def run_stages(
    vlm: VisionLanguageModel, variant: Variant, job: Job, out: Path, *, start: Start | None = None
) -> AdapterManifest:
    """Train every stage and round of a variant; the last one's adapter is in `out`, the others' in
    `out/stages`, each with its pairs in `pairs`.

    Raises:
        BadInput: `out` holds a finished adapter.
    """
    if (out / MANIFEST_NAME).exists():
        raise BadInput(f"{out} holds a finished adapter", hint="choose another --out")
    plan = [*variant.earlier, *[variant] * variant.rounds]
    for number, stage in enumerate(plan, start=1):
        last = number == len(plan)
        folder = out if last else out / "stages" / f"{number}-{stage.name}"
        if last or not (folder / MANIFEST_NAME).exists():
            pairs = job.pairs if number == 1 and job.pairs else folder / "pairs"
            if not pairs.exists():
                make_pairs(stage, vlm.base, job.sources, pairs, vlm=vlm, start=start)
            _train_one(vlm, stage, job, pairs, folder, start, own=stage is variant)
        if not last:
            start = read_start(vlm, folder)
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
    with _policy(variant, sources, vlm, start) as policy:
        tools = Tools(
            questions=sources.questions,
            seed=sources.seed,
            policy=policy,
            writer=sources.writer,
            debaters=sources.debaters,
            similarity=_similarity(variant, base),
            heat_maps=sources.heat_maps,
        )
        return build_pairs(variant.name, variant.steps, tools, out, base=base.pinned)


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


def _train_one(
    vlm: VisionLanguageModel,
    stage: Variant,
    job: Job,
    pairs: Path,
    folder: Path,
    start: Start | None,
    *,
    own: bool,
) -> None:
    """Train one stage into its folder; the base is bare again afterwards."""
    data = read_pair_set(pairs, stage, base=vlm.base.pinned)
    numbers = resolved_numbers(stage, vlm.base, job.changes if own else {})
    lora = LoraSpec(r=numbers.rank, alpha=numbers.alpha, use_rslora=numbers.use_rslora)
    if start is not None:  # an adapter goes on in the shape that it has
        if own and "rank" in job.changes and lora != start.lora:
            raise BadInput(
                f"the run goes on from an adapter of rank {start.lora.r}", hint=f"--rank {start.lora.r}"
            )
        lora = start.lora
        numbers = replace(numbers, rank=lora.r, alpha=lora.alpha, use_rslora=lora.use_rslora)
    run = Run(objective=stage.objective, numbers=numbers, lora=lora, seed=job.seed, start=start)
    trained = train(vlm, data, run, folder, checkpoint_every=job.checkpoint_every)
    write_adapter(vlm, stage, data, run, trained, folder)
    trained.lora.remove()


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
        yield Asker(vlm, name=f"{vlm.base.pinned}+{start.digest[:12]}")
    finally:
        lora.remove()


def _similarity(variant: Variant, base: Base) -> Similarity | None:
    """The base's contrastive encoder, where a step gives rewards."""
    if not any("rewards" in step.makes for step in variant.steps):
        return None
    from zoo.vlm.similarity import load_similarity

    return load_similarity(base)
