"""Answers of a base and any number of adapters to some benchmarks, all in one pass through the adapter bank.

Needs a model; what the answers are worth is `zoo.evaluation.score`'s to say, without one.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from zoo.asking import Sampling
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.evaluation.ablation import ablation_notes, asked_again, others
from zoo.evaluation.asked import Asked, in_batches
from zoo.evaluation.part import opened
from zoo.evaluation.pictures import Eyes, Gallery
from zoo.evaluation.run import versions, where
from zoo.manifest import AdapterManifest, read_manifest
from zoo.records import BASE, Prediction
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Row
from zoo.vlm.generate import Generated, generate
from zoo.vlm.model import VisionLanguageModel

ROWS = 64
"""Rows of one batch: questions times adapters, the base among them. More are a little faster and take more
memory for their keys and values."""


@dataclass(frozen=True, kw_only=True)
class Answerer:
    """Who answers: the base, or an adapter."""

    name: str
    variant: str
    digest: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """All answers, the base's first, then by adapter, benchmark, pictures shown and question."""

    answers: list[Prediction]
    notes: list[list[str]]
    """Of each benchmark, what can be said of its image ablation."""
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
    if twice := _twice(["/".join(where(b)) for b in benchmarks]):
        raise BadInput(f"the benchmark {twice} is asked for twice", hint="name each once")
    for question in (question for benchmark in benchmarks for question in benchmark.questions):
        if not 1 <= len(question.images) <= vlm.base.max_images:
            raise BadInput(
                f"{question.id} has {len(question.images)} images; {vlm.base.name} takes 1 to "
                f"{vlm.base.max_images} in a question"
            )
    bank = AdapterBank(vlm, slots=len(adapters) + 1, max_rank=max([m.lora.r for m in manifests], default=1))
    for slot, (adapter, manifest) in enumerate(zip(adapters, manifests, strict=True), start=1):
        bank.load(slot, adapter, manifest)
    answerers = _answerers(manifests, names)
    gallery = Gallery(benchmarks)
    asked, notes = _asked(benchmarks, gallery, ablation=ablation, seed=seed)
    batches = in_batches(
        asked,
        max(1, rows // len(answerers)),
        length=lambda prompt: len(vlm.tokenizer(prompt, add_special_tokens=False)["input_ids"]),
    )
    given: list[Prediction] = []
    with ExitStack() as stack:
        part = None
        if folder is not None:
            numbers = {"max tokens": max_tokens, "ablation": ablation, "seed": seed, "batch size": rows}
            job = _job(vlm, answerers, benchmarks, gallery, numbers)
            part = stack.enter_context(opened(folder, job, batches, [a.name for a in answerers]))
            given += part.answers
        resumed = len(given)
        bar = stack.enter_context(
            tqdm(total=len(asked) * len(answerers), initial=resumed, desc="answers", unit="answer")
        )
        if part is not None and (resumed or part.dropped):
            cut = f"; {part.dropped} of a batch that was cut off are asked again" if part.dropped else ""
            bar.write(f"{resumed} answers are there{cut}", file=sys.stderr)
        eyes = stack.enter_context(Eyes(vlm, gallery, batches))
        done = 0
        for number, batch in enumerate(batches):
            done += len(batch) * len(answerers)
            if done <= resumed:
                continue
            new = _answer(vlm, eyes, number, batch, answerers, max_tokens=max_tokens)
            if part is not None:
                part.add(new)
            given += new
            bar.update(len(new))
    due = {(a.name, *one.key): n for n, (a, one) in enumerate((a, one) for a in answerers for one in asked)}
    given.sort(key=lambda p: due[p.adapter, p.dataset, p.split, p.shown, p.question_id])
    return Predictions(answers=given, notes=notes, resumed=resumed, seconds=time.monotonic() - began)


def adapter_name(manifest: AdapterManifest) -> str:
    """The name an adapter has among predictions: its repo, or its variant before it has one."""
    return manifest.repo or manifest.variant.name


def adapter_names(manifests: Sequence[AdapterManifest]) -> list[str]:
    """The names of some adapters; those of one name are told apart by their training's seed.

    Raises:
        BadInput: they have one seed too.
    """
    plain = [adapter_name(manifest) for manifest in manifests]
    names = [
        f"{name}-seed{manifest.training.seed}" if plain.count(name) > 1 else name
        for name, manifest in zip(plain, manifests, strict=True)
    ]
    if twice := _twice([BASE, *names]):
        raise BadInput(f"two adapters bear the name {twice}", hint="evaluate one of them, or each by itself")
    return names


def _twice(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _answerers(manifests: Sequence[AdapterManifest], names: Sequence[str] | None) -> list[Answerer]:
    named = adapter_names(manifests) if names is None else names
    if twice := _twice([BASE, *named]):
        raise BadInput(f"two adapters bear the name {twice}")
    return [
        Answerer(name=BASE, variant=BASE, digest="", seed=0),
        *(
            Answerer(name=name, variant=m.variant.name, digest=m.weights_sha256, seed=m.training.seed)
            for name, m in zip(named, manifests, strict=True)
        ),
    ]


def _asked(
    benchmarks: Sequence[QuestionSet], gallery: Gallery, *, ablation: int, seed: int
) -> tuple[list[Asked], list[list[str]]]:
    """All that is asked, in the order of the predictions, and what can be said of it by benchmark."""
    asked, notes = [], []
    for number, benchmark in enumerate(benchmarks):

        def key(name: str, number: int = number) -> str:
            return gallery.key(number, name)

        again = asked_again(benchmark, ablation, seed=seed)
        of_one_patient = [key, *filter(None, [benchmark.group_of])]
        other = others((q.images for q in benchmark.questions), of_one_patient, seed=seed) if again else {}
        asked += [Asked(q, "own", tuple(map(key, q.images))) for q in benchmark.questions]
        asked += [
            Asked(q, "noise", tuple(gallery.noise_key(number, name) for name in q.images)) for q in again
        ]
        swapped = [Asked(q, "other", tuple(map(key, other[q.images]))) for q in again if q.images in other]
        asked += swapped
        notes.append(ablation_notes(benchmark, noise=len(again), other=len(swapped)))
    return asked, notes


def _job(
    vlm: VisionLanguageModel,
    answerers: Sequence[Answerer],
    benchmarks: Sequence[QuestionSet],
    gallery: Gallery,
    numbers: Mapping[str, int],
) -> Mapping[str, Any]:
    """All that decides the answers."""
    return {
        "base": vlm.identity,
        "adapters": [f"{a.name} {a.digest}" for a in answerers[1:]],
        "benchmarks": [f"{'/'.join(where(b))} {gallery.fingerprint(n)}" for n, b in enumerate(benchmarks)],
        **numbers,
        "versions": versions(),
    }


def _answer(
    vlm: VisionLanguageModel,
    eyes: Eyes,
    number: int,
    batch: Sequence[Asked],
    answerers: Sequence[Answerer],
    *,
    max_tokens: int,
) -> list[Prediction]:
    """Everyone's answers to one batch of questions, the base's first."""
    seen, sampling = eyes.of(number, batch), Sampling(max_tokens=max_tokens)
    rows = [
        Row(seen[one.pictures][0], one.question.prompt, slot, sampling)
        for slot in range(len(answerers))
        for one in batch
    ]
    due = [(answerer, one) for answerer in answerers for one in batch]
    return [
        _prediction(vlm, one, seen[one.pictures][1], answerer, answer)
        for (answerer, one), answer in zip(due, generate(vlm, rows), strict=True)
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
