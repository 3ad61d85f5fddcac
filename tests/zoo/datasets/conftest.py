"""Tiny made-up folders in the layouts of data sets, and the real slices where they are at hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

Draw = Callable[..., Path]


@pytest.fixture
def draw() -> Draw:
    """Write a picture of random patches; the same seed gives a near duplicate at any `brighter`."""

    def make(path: Path, seed: int, *, size: tuple[int, int] = (64, 48), brighter: int = 0) -> Path:
        patches = np.random.default_rng(seed).integers(0, 200, size=(12, 13)).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(patches + np.uint8(brighter)).resize(size, Image.Resampling.BICUBIC).save(path)
        return path

    return make


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def plain_row(number: int, **more: Any) -> dict[str, Any]:
    """A row of qa.jsonl about images/NUMBER.png."""
    row = {
        "id": f"mine/{number}",
        "dataset": "mine",
        "image": f"images/{number}.png",
        "question": "Is there a nodule in the left lung?",
        "answer": "yes",
        "answer_type": "CLOSED ",
    }
    return row | more


@pytest.fixture
def plain(tmp_path: Path, draw: Draw) -> Path:
    """A folder of 30 plain records, each with a picture of its own."""
    for number in range(30):
        draw(tmp_path / f"images/{number}.png", number)
    lines(tmp_path / "qa.jsonl", [plain_row(number) for number in range(30)])
    return tmp_path


@pytest.fixture
def helpers() -> Any:
    """`lines` and `plain_row`, since test modules cannot import each other."""

    class Helpers:
        write_lines = staticmethod(lines)
        row = staticmethod(plain_row)

    return Helpers


@pytest.fixture
def real() -> Path:
    """The real slice in plain records."""
    return _there("real")


@pytest.fixture
def official() -> Path:
    """A few real records of SLAKE, VQA-RAD and MMedPO in their own layouts."""
    return _there("official")


def _there(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"the shared data folder has no {name}/")
    return DATA / name
