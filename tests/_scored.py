"""Adapters with a benchmark that nothing answered: invented answers, recorded as real ones are."""

import hashlib
from pathlib import Path

from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.record import record
from zoo.manifest import AdapterManifest, Benchmark, read_manifest, write_manifest
from zoo.records import BASE, Prediction

QUESTIONS = 20


def scored(
    folder: Path,
    *,
    right: int = 14,
    sft_right: int | None = 12,
    base_right: int = 8,
    dataset: str = "phantom",
    license: str = "apache-2.0",
    publishable: bool = True,
    questions: int = QUESTIONS,
) -> Path:
    """Give the adapter in `folder` these scores, and no others: it answers the first `right` questions of
    `dataset` right, SFT (unless it is None) and the base as many as said. Returns the folder."""
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"evaluation": [], "benchmarks": []}))
    mine = manifest.repo or manifest.variant.name
    answers = _answers(BASE, BASE, "", base_right, dataset, questions)
    if sft_right is not None and manifest.variant.name != "sft":
        answers += _answers("zoo/sft", "sft", "e" * 64, sft_right, dataset, questions)
    answers += _answers(mine, manifest.variant.name, manifest.weights_sha256, right, dataset, questions)
    benchmark = Benchmark(
        dataset=dataset,
        split="test",
        questions=questions,
        images=questions,
        fingerprint=benchmark_fingerprint(answers),
        license=license,
        publishable=publishable,
        max_tokens=64,
        predictions_sha256="0" * 64,
        created="2026-11-22T10:00:00+00:00",
    )
    _record(folder, mine, answers, benchmark)
    return folder


def _record(folder: Path, name: str, answers: list[Prediction], benchmark: Benchmark) -> AdapterManifest:
    return record(folder, name, answers, [benchmark], precision="float32")


def _answers(
    adapter: str, variant: str, digest: str, right: int, dataset: str, questions: int
) -> list[Prediction]:
    return [
        Prediction(
            question_id=f"q{i}",
            dataset=dataset,
            split="test",
            images=(f"scan-{i}.png",),
            prompt="Which side?",
            truth="left",
            answer_type="open",
            question_type="side",
            options=(),
            error_types=("SLC",),
            base="phantom@" + "a" * 40,
            adapter=adapter,
            variant=variant,
            digest=digest,
            answer="left" if i < right else "right",
            tokens=2,
            finish="stop",
            shown_digests=(hashlib.sha256(f"{i}".encode()).hexdigest(),),
        )
        for i in range(questions)
    ]
