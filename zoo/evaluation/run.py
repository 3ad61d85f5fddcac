"""How a folder of answers was made: `evaluation.json` beside `predictions.jsonl`.

It says what answered, what was asked, and by which versions. Knows no score.
"""

import json
import os
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import BadRecord
from zoo.manifest import Benchmark

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
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    """UTC time, ISO 8601."""


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
