"""How a folder of answers was made: `evaluation.json` beside `predictions.jsonl`.

It says what answered, what was asked, and by which versions. Knows no score.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.datasets import QuestionSet
from zoo.errors import BadRecord
from zoo.evaluation.answers import Where, benchmark_fingerprint
from zoo.manifest import Benchmark
from zoo.records import Prediction, to_line

RUN_NAME: Final = "evaluation.json"
PACKAGES: Final = ("medvlm-zoo", "torch", "transformers")
"""Those that decide what a model says."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Answered(_Part):
    """An adapter that answered."""

    name: str
    """Its name among the predictions."""
    variant: str
    digest: str
    """sha256 of its weights."""
    source: str = ""
    """`repo@sha` of one that came from a Hub; empty for a folder."""


class EvaluationRun(_Part):
    """One pass over some benchmarks. The base answered too, whatever the adapters."""

    base: str
    """`name@revision`"""
    precision: str
    """Of the base, such as `float32` or `bfloat16 4bit`."""
    adapters: list[Answered]
    benchmarks: list[Benchmark]
    """Their digests are of their own lines of `predictions.jsonl`, in order."""
    ablation: int = 0
    """Most questions of each benchmark that were asked again with other pictures."""
    seed: int = 0
    """Of the samples of questions."""
    versions: dict[str, str] = Field(default_factory=lambda: versions())
    seconds: float
    """That asking took; where it was interrupted, since it last went on."""
    resumed: int = 0
    """Answers that were there when it last went on."""
    created: str = Field(default_factory=lambda: _now())
    """UTC time, ISO 8601."""


def where(questions: QuestionSet) -> Where:
    """The data set and split that its questions name, and so their answers: pairs made of another data set
    have that one's name."""
    return questions.questions[0].dataset, questions.questions[0].split


def benchmark_of(
    questions: QuestionSet, predictions: Sequence[Prediction], *, notes: Sequence[str] = (), max_tokens: int
) -> Benchmark:
    """What `predictions` answered of a benchmark. `notes` are said of it beside its own."""
    dataset, split = where(questions)
    answers = [p for p in predictions if (p.dataset, p.split) == (dataset, split)]
    return Benchmark(
        dataset=dataset,
        split=split,
        questions=len(questions.questions),
        images=len({image for q in questions.questions for image in q.images}),
        fingerprint=benchmark_fingerprint(answers),
        license=questions.license,
        publishable=questions.publishable,
        notes=[*questions.notes, *notes],
        max_tokens=max_tokens,
        predictions_sha256=hashlib.sha256("".join(map(to_line, answers)).encode()).hexdigest(),
        created=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Of the packages that decide what a model says."""
    return {name: version(name) for name in PACKAGES}


def write_run(folder: Path, run: EvaluationRun) -> Path:
    """Write `evaluation.json` into `folder` in one atomic step."""
    path = folder / RUN_NAME
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(run.model_dump(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)
    return path


def read_run(folder: Path) -> EvaluationRun:
    """Read `evaluation.json` of a folder of answers.

    Raises:
        BadRecord: it is not there, no JSON, lacks a key or has an unknown one.
    """
    path = folder / RUN_NAME
    if not path.is_file():
        raise BadRecord(f"{path}: no such file, so nothing says how these answers were made")
    try:
        return EvaluationRun.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadRecord(f"{path}: key {key!r}: {first['msg']}") from error
    except ValueError as error:
        raise BadRecord(f"{path}: not JSON in UTF-8 ({error})") from error
