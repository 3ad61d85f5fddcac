"""How an evaluation was made, as a file."""

import json
from pathlib import Path

import pytest

from zoo.errors import BadRecord
from zoo.evaluation.run import RUN_NAME, Answered, EvaluationRun, read_run, write_run
from zoo.manifest import Benchmark


@pytest.fixture
def run() -> EvaluationRun:
    benchmark = Benchmark(
        dataset="vqa-rad",
        split="test",
        questions=40,
        images=30,
        fingerprint="a" * 64,
        license="cc0-1.0",
        publishable=True,
        notes=["leak: 3 of the 30 pictures of test are in train too, 1 more have a near duplicate there"],
        max_tokens=64,
        predictions_sha256="b" * 64,
        created="2026-11-22T00:00:00+00:00",
    )
    adapter = Answered(name="mdpo", variant="mdpo", digest="c" * 64, source="local/mdpo@" + "d" * 40)
    return EvaluationRun(
        base="phantom@e",
        precision="float32",
        adapters=[adapter],
        benchmarks=[benchmark],
        ablation=200,
        seconds=1.5,
    )


def test_what_is_written_is_read_again_with_the_versions_that_answered(
    run: EvaluationRun, tmp_path: Path
) -> None:
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run
    assert set(run.versions) == {"medvlm-zoo", "torch", "transformers"}
    assert [path.name for path in tmp_path.iterdir()] == [RUN_NAME]


@pytest.mark.parametrize(
    ("change", "named"),
    [({"precision": None}, "precision"), ({"judge": "x"}, "judge"), ({"benchmarks": [{}]}, "benchmarks.0")],
)
def test_a_file_that_is_not_in_order_is_refused_with_the_key(
    change: dict[str, object], named: str, run: EvaluationRun, tmp_path: Path
) -> None:
    (tmp_path / RUN_NAME).write_text(json.dumps(run.model_dump() | change))
    with pytest.raises(BadRecord, match=named):
        read_run(tmp_path)


def test_a_file_that_is_missing_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="no such file"):
        read_run(tmp_path)
    (tmp_path / RUN_NAME).write_text('{"base": ')
    with pytest.raises(BadRecord, match="not JSON"):
        read_run(tmp_path)
