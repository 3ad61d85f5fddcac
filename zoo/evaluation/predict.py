"""Answers of a base and any number of adapters to some benchmarks, all in one pass through the adapter bank.

Needs a model; what the answers are worth is `zoo.evaluation.score`'s to say, without one.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from zoo.asking import Sampling
from zoo.datasets import QuestionSet
from zoo.evaluation.asked import Asked
from zoo.evaluation.part import opened
from zoo.evaluation.pictures import Eyes
from zoo.evaluation.plan import Answerer, Plan, planned
from zoo.manifest import AdapterManifest, read_manifest
from zoo.records import Prediction
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Row
from zoo.vlm.generate import Generated, generate
from zoo.vlm.model import VisionLanguageModel

ROWS = 64
"""Rows of one batch: questions times adapters, the base among them. More are a little faster and take more
memory for their keys and values."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """All answers, the base's first, then by adapter, benchmark, pictures shown and question."""

    answers: list[Prediction]
    notes: list[list[str]]
    """Of each benchmark, what can be said of its image ablation."""
    precision: str
    """Of the base that answered, as `VisionLanguageModel.precision`."""
    resumed: int
    """Answers that were there when it began."""
    seconds: float
    """That it took from there on."""


def predict(
    vlm: VisionLanguageModel,
    adapters: Sequence[Path],
    benchmarks: Sequence[QuestionSet],
    *,
    names: Sequence[str] | None = None,
    max_tokens: int = 64,
    ablation: int = 0,
    seed: int = 0,
    rows: int = ROWS,
    folder: Path | None = None,
) -> Predictions:
    """Greedy answers of the base (first) and of each adapter folder to every question of every benchmark.

    Each distinct picture is encoded once for all adapters and questions. Of each benchmark `ablation`
    questions, chosen by `seed`, are asked again with other pictures. `names` tells adapters of one variant
    apart; without them see `adapter_names`. With a `folder` answers are kept there as they come, and an
    evaluation that was interrupted goes on; `zoo.evaluation.part.finish` is the caller's to call.

    Raises:
        BadAdapter: an adapter folder fails one of the bank's load checks.
        BadInput: two adapters of one name, two benchmarks of one name, a question with more images than the
            base takes, or `folder` holds another evaluation.
    """
    began = time.monotonic()
    manifests = [read_manifest(adapter) for adapter in adapters]
    numbers: dict[str, Any] = {"max_tokens": max_tokens, "ablation": ablation, "seed": seed, "rows": rows}
    plan = planned(vlm, manifests, benchmarks, names=names, **numbers)
    fill_bank(vlm, adapters, manifests)
    with Eyes(vlm, plan.gallery, plan.batches) as eyes:
        todo = range(len(plan.batches))
        return collected(
            plan,
            lambda first: (answered(vlm, eyes, plan, number) for number in todo[first:]),
            folder=folder,
            began=began,
        )


def fill_bank(
    vlm: VisionLanguageModel, adapters: Sequence[Path], manifests: Sequence[AdapterManifest]
) -> None:
    """Lay a bank on the base, with each adapter in the slot of its place; slot 0 is the base.

    Raises:
        BadAdapter: an adapter folder fails one of the bank's load checks.
    """
    bank = AdapterBank(vlm, slots=len(adapters) + 1, max_rank=max([m.lora.r for m in manifests], default=1))
    for slot, (adapter, manifest) in enumerate(zip(adapters, manifests, strict=True), start=1):
        bank.load(slot, adapter, manifest)


def collected(
    plan: Plan,
    ask: Callable[[int], Iterable[Sequence[Prediction]]],
    *,
    folder: Path | None,
    began: float,
) -> Predictions:
    """All answers of a plan: those that `folder` holds, and the others as `ask` gives them, batch by batch
    from the one of that number on; they are kept in `folder` as they come. `began` is of the monotonic clock.

    Raises:
        BadInput: `folder` holds another evaluation.
    """
    given: list[Prediction] = []
    first = 0
    with ExitStack() as stack:
        part = None
        if folder is not None:
            names = [answerer.name for answerer in plan.answerers]
            part = stack.enter_context(opened(folder, plan.job, plan.batches, names))
            given += part.answers
        resumed = len(given)
        bar = stack.enter_context(
            tqdm(total=len(plan.asked) * len(plan.answerers), initial=resumed, desc="answers", unit="answer")
        )
        if part is not None and (resumed or part.dropped):
            cut = f"; {part.dropped} of a batch that was cut off are asked again" if part.dropped else ""
            bar.write(f"{resumed} answers are there{cut}", file=sys.stderr)
        there = 0
        while there < resumed:
            there += len(plan.due(first))
            first += 1
        for new in ask(first):
            if part is not None:
                part.add(new)
            given += new
            bar.update(len(new))
    return Predictions(
        answers=plan.in_order(given),
        notes=plan.notes,
        precision=plan.precision,
        resumed=resumed,
        seconds=time.monotonic() - began,
    )


def answered(vlm: VisionLanguageModel, eyes: Eyes, plan: Plan, number: int) -> list[Prediction]:
    """Everyone's answers to one batch of questions, the base's first."""
    batch, sampling = plan.batches[number], Sampling(max_tokens=plan.max_tokens)
    seen = eyes.of(number, batch)
    rows = [
        Row(seen[one.pictures][0], one.question.prompt, slot, sampling)
        for slot in range(len(plan.answerers))
        for one in batch
    ]
    return [
        _prediction(vlm, one, seen[one.pictures][1], answerer, answer)
        for (answerer, one), answer in zip(plan.due(number), generate(vlm, rows), strict=True)
    ]


def _prediction(
    vlm: VisionLanguageModel,
    one: Asked,
    shown_digests: tuple[str, ...],
    answerer: Answerer,
    answer: Generated,
) -> Prediction:
    return Prediction.to(
        one.question,
        base=vlm.base.pinned,
        adapter=answerer.name,
        variant=answerer.variant,
        digest=answerer.digest,
        answer=answer.text,
        tokens=answer.tokens,
        finish=answer.finish,
        seed=answerer.seed,
        shown=one.shown,
        shown_digests=shown_digests,
    )
