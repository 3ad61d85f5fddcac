"""An adapter folder as `medzoo evaluate --record` and `medzoo card` leave it, on invented answers."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_cards.card import write_card
from zoo.bases import get_base
from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.record import record
from zoo.manifest import Benchmark, read_manifest
from zoo.records import Prediction

MakeRecorded = Callable[..., Path]
WRONG = {"base": (0, 1, 2, 3, 4, 5), "sft": (0, 1, 2), "mdpo": (0, 1, 7)}
"""Questions that each answers wrongly, of 20."""


def answers(
    adapter: str, digest: str, *, dataset: str = "phantom", shown: str = "own", **more: Any
) -> list[Prediction]:
    """Twenty answers to yes-no questions on twenty pictures; with another picture all of them are `no`."""
    found = []
    for number in range(20):
        truth = ("yes", "no")[number % 2]
        other = ("no", "yes")[number % 2]
        said = (other if number in WRONG[adapter] else truth) if shown == "own" else "no"
        prediction = {
            "question_id": f"{dataset}/test/{number:03d}",
            "dataset": dataset,
            "split": "test",
            "images": (f"{number:03d}.png",),
            "prompt": f"Is there a <nodule> in scan | {number}?",
            "truth": truth,
            "answer_type": "closed",
            "question_type": "finding" if number % 3 else "side",
            "options": ("yes", "no"),
            "error_types": (),
            "base": get_base("phantom").pinned,
            "adapter": adapter,
            "variant": adapter,
            "digest": digest,
            "answer": f"{said}, *it* seems",
            "tokens": 4,
            "finish": "stop",
            "shown": shown,
            "shown_digests": (f"{number:064x}",),
        }
        found.append(Prediction(**prediction | more))
    return found


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that `recorded` made, by what was asked for: each test gets a copy."""
    return {"": tmp_path_factory.mktemp("made")}


@pytest.fixture
def recorded(make_adapter: Any, made: dict[str, Path], tmp_path: Path) -> MakeRecorded:
    """Call it to get a folder of an adapter that was evaluated on `datasets`, with its card.

    Every answer to the data sets named in `withheld` may not be passed on, and its file is not there.
    """

    def make(
        name: str = "recorded",
        *,
        datasets: tuple[str, ...] = ("phantom",),
        withheld: tuple[str, ...] = (),
        **changes: Any,
    ) -> Path:
        asked = repr((datasets, withheld, changes))
        if asked in made:
            return shutil.copytree(made[asked], tmp_path / name)
        base = get_base("phantom")
        numbers = {
            "questions": 220, "dropped": {"no span": 20}, "halves": {"both": 200},
            "words": {"chosen": {"mean": 2.0, "median": 1, "most": 9},
                      "rejected": {"mean": 7.5, "median": 7, "most": 12}},
            "longer_is_chosen": 0.1, "length_only_accuracy": 0.9,
        }  # fmt: skip
        data = {"dataset": "phantom", "split": "train", "pairs": 200, "fingerprint": "c" * 64, "seed": 0}
        folder = make_adapter(
            name,
            **{
                "evaluation": [],
                "base": {"name": base.name, "repo": base.repo, "revision": base.revision},
                "data": data | {"license": "apache-2.0", "numbers": numbers},
            }
            | changes,
        )
        digest = read_manifest(folder).weights_sha256
        predictions = [
            prediction
            for dataset in datasets
            for shown in ("own", "noise", "other")
            for adapter, of in (("base", ""), ("sft", "e" * 64), ("mdpo", digest))
            for prediction in answers(adapter, of, dataset=dataset, shown=shown)
        ]
        benchmarks = [
            Benchmark(
                dataset=dataset,
                split="test",
                questions=20,
                images=20,
                fingerprint=benchmark_fingerprint(p for p in predictions if p.dataset == dataset),
                license="physionet-credentialed" if dataset in withheld else "apache-2.0",
                publishable=dataset not in withheld,
                notes=["3 of 20 images | are in train too"],
                max_tokens=64,
                predictions_sha256="0" * 64,
                created="2026-11-22T10:00:00+00:00",
            )
            for dataset in datasets
        ]
        record(folder, "mdpo", predictions, benchmarks, precision="float32")
        write_card(folder)
        for dataset in withheld:
            (folder / "predictions" / f"{dataset}-test.jsonl").unlink()
        made[asked] = shutil.copytree(folder, made[""] / str(len(made)))
        return folder

    return make
