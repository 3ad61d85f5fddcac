"""Files of invented answers with the record beside them, and folders of runs."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.zoo.evaluation.report._invented import LEAK
from zoo.evaluation.run import Answered, EvaluationRun, write_run
from zoo.manifest import Benchmark
from zoo.records import PREDICTIONS_NAME, Prediction, write_jsonl

Invent = Callable[..., Path]


@pytest.fixture
def invent(tmp_path: Path) -> Invent:
    """Call it with predictions to get the file of them, with `evaluation.json` beside it."""

    def make(predictions: Sequence[Prediction], *, name: str = "answers", recorded: bool = True) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write_jsonl(folder / PREDICTIONS_NAME, predictions)
        if recorded:
            benchmarks = [
                Benchmark(
                    dataset=dataset,
                    split="test",
                    questions=len({p.question_id for p in predictions if p.dataset == dataset}),
                    images=len({p.images for p in predictions if p.dataset == dataset}),
                    fingerprint="b" * 64,
                    license="cc0-1.0",
                    publishable=True,
                    notes=[LEAK],
                    max_tokens=64,
                    predictions_sha256="c" * 64,
                    created="2026-11-22T10:00:00+00:00",
                )
                for dataset in dict.fromkeys(p.dataset for p in predictions)
            ]
            names = {p.adapter: p for p in predictions if p.adapter != "base"}
            run = EvaluationRun(
                base=predictions[0].base,
                precision="float32",
                adapters=[Answered(name=n, variant=p.variant, digest=p.digest) for n, p in names.items()],
                benchmarks=benchmarks,
                seconds=1.0,
            )
            write_run(folder, run)
        return folder / PREDICTIONS_NAME

    return make


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[[str, int], Path]:
    """Call it with a name and a number of steps to get the folder of a run with its log."""

    def make(name: str, steps: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        entries = [
            {
                "step": s,
                "of": steps,
                "loss": 1 / s,
                "loss_anchor_chosen": 0.1 / s,
                "accuracy_over_rejected_response": 0.5 + 0.4 * s / steps,
            }
            for s in range(1, steps + 1)
        ]
        (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return folder

    return make
