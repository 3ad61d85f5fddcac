"""Times: read from a file, measured on a model, worked out from rates."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from serving.capacity.estimate import ASKED, FETCHED, LOADED, READ, adapter_bytes, estimated
from serving.capacity.given import Times, read_times
from serving.capacity.measure import REPETITIONS, measured, write_times
from serving.engines.model import Row
from tests.serving.capacity._worlds import times
from zoo.asking import Piece
from zoo.bases import get_base
from zoo.errors import BadInput
from zoo.memory.peak import Precision
from zoo.memory.serving import Serving
from zoo.memory.shape import shape_of
from zoo.memory.work import Rates, first_token_seconds, token_seconds


def test_times_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    found = replace(times(step_row_s=0.25), of="phantom in float32")
    write_times(path, found)
    assert read_times(path, of="phantom in float32") == found


def test_times_of_another_base_or_precision_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    write_times(path, replace(times(), of="phantom in float32"))
    with pytest.raises(BadInput, match="times of phantom in float32, and the plan is for phantom in 4bit"):
        read_times(path, of="phantom in 4bit")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"step_s": -1.0}, "step_s is -1.0"),
        ({"step_s": "quick"}, "step_s: Input should be a valid number"),
        ({"prompt_s": 0.0}, "no time at all"),
        ({"fetch_s": float("inf")}, "fetch_s"),
        ({"stepp_s": 1.0}, "stepp_s: Unexpected"),
    ],
)
def test_times_that_cannot_be_are_refused_by_name(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = tmp_path / "times.json"
    path.write_text(json.dumps({**asdict(times()), **change}))
    with pytest.raises(BadInput, match=says):
        read_times(path, of="")


def test_a_file_of_times_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.json: No such file"):
        read_times(tmp_path / "none.json", of="")


def test_what_is_worked_out_gives_the_plans_own_times_back() -> None:
    """At one row and at all: the line goes through both."""
    base = get_base("phantom")
    shape, rates = shape_of(base), Rates(operations=1e12, bytes=1e11, source="by hand")
    serving = Serving(
        precision=Precision(bytes=4),
        targets=base.lora_targets,
        slots=8,
        max_rank=16,
        rank=16,
        rows=16,
        image=64,
        prompt=20,
        answer=32,
        features=0,
    )
    found = estimated(shape, serving, rates)
    for rows in (1, 16):
        there = replace(serving, rows=rows)
        assert found.prompt(1, rows) == pytest.approx(first_token_seconds(shape, there, rates))
        assert found.step(rows) == pytest.approx(token_seconds(shape, there, rates))
    size = adapter_bytes(shape, serving)
    assert found.load_host_s == pytest.approx(size / LOADED)
    assert found.load_disk_s == pytest.approx(size / LOADED + size / READ)
    assert found.fetch_s == pytest.approx(ASKED + size / FETCHED)
    assert "by hand" in found.source


class _Clock:
    """A clock that only the model moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class _Model:
    """Says three tokens a row; a picture takes 5 s, prompts 1 + 2 a row, a step 0.5 + 0.25 a row, reading an
    adapter 3 s and writing it 4 s."""

    def __init__(self, clock: _Clock) -> None:
        self.clock, self.filled = clock, dict[int, str]()

    def encode(self, images: Any) -> tuple[object, int]:
        self.clock.now += 5
        return object(), 1

    def read(self, folder: Path) -> bytes:
        self.clock.now += 3
        return b"content"

    def load(self, slot: int, folder: Path, manifest: Any, content: bytes) -> None:
        assert slot not in self.filled, "written over"
        self.clock.now += 4
        self.filled[slot] = "digest"

    def clear(self, slot: int) -> None:
        del self.filled[slot]

    def digest(self, slot: int) -> str | None:
        return self.filled.get(slot)

    def begin(self, rows: list[Row]) -> "_Batch":
        assert {row.slot for row in rows} <= set(self.filled)
        assert len({(row.slot, id(row.features)) for row in rows}) == len(rows), "two share one prompt"
        return _Batch(self.clock, rows)


class _Batch:
    def __init__(self, clock: _Clock, rows: list[Row]) -> None:
        self._clock, self.open, self._said = clock, list(range(len(rows))), 0

    def step(self) -> list[Piece]:
        rows = len(self.open)
        self._clock.now += 0.5 + 0.25 * rows if self._said else 1 + 2 * rows
        self._said += 1
        if self._said == 3:
            self.open = []
        return []


def test_what_a_model_takes_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr("serving.capacity.measure.time", clock)
    (tmp_path / "weights").write_bytes(bytes(1000))
    model: Any = _Model(clock)
    manifest: Any = None
    found = measured(model, tmp_path, manifest, slots=3, rows=4, of="a clock in brass")
    assert found == Times(
        image_s=5.0,
        prompt_s=1.0,
        prompt_row_s=2.0,
        step_s=0.5,
        step_row_s=0.25,
        load_disk_s=7.0,
        load_host_s=4.0,
        fetch_s=ASKED + 1000 / FETCHED,
        source="measured: a clock in brass with 3 slots, at 1 and 4 rows; fetches assumed",
        of="a clock in brass",
    )
    assert set(model.filled) == {1, 2, 3}
    assert REPETITIONS > 1


def test_one_row_alone_tells_no_line() -> None:
    nothing: Any = None
    with pytest.raises(BadInput, match="--max-rows of 2 or more"):
        measured(nothing, Path(), nothing, slots=1, rows=1, of="")
