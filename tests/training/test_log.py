"""The log of a run: whole after a kill, without a step twice, the same in TensorBoard."""

import json
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.log import TENSORBOARD_NAME, StepLog, need_tensorboard
from zoo.errors import BadInput
from zoo.manifest import LOG_NAME
from zoo.run_log import read_log


def step(number: int, **more: Any) -> dict[str, Any]:
    return {"step": number, "of": 5, "loss": 1.0 / number, "margin_over_rejected_image": 0.25, **more}


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads, by tag."""
    read = EventAccumulator(str(folder / TENSORBOARD_NAME))
    read.Reload()
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_a_run_that_goes_on_has_every_step_once_and_says_where_it_went_on(tmp_path: Path) -> None:
    with StepLog(tmp_path, done=0) as log:
        for number in (1, 2, 3):
            log.write(step(number))
    with StepLog(tmp_path, done=2) as log:
        log.write(step(3, loss=9.0))
    lines = [json.loads(line) for line in (tmp_path / LOG_NAME).read_text().splitlines()]
    assert lines == [step(1), step(2), {"event": "resumed", "step": 2}, step(3, loss=9.0)]
    assert read_log(tmp_path) == lines
    assert read_log(tmp_path, done=1) == lines[:1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG_NAME]


def test_a_run_that_starts_anew_forgets_what_was_there(tmp_path: Path) -> None:
    for _ in range(2):
        with StepLog(tmp_path, done=0) as log:
            log.write(step(1))
    assert read_log(tmp_path) == [step(1)]


def test_a_line_that_a_kill_cut_is_left_out(tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).write_text(json.dumps(step(1)) + "\n" + json.dumps(step(2))[:-9])
    with StepLog(tmp_path, done=2):
        assert read_log(tmp_path) == [step(1), {"event": "resumed", "step": 2}]


def test_a_number_that_is_not_finite_is_null_and_no_broken_json(tmp_path: Path) -> None:
    with StepLog(tmp_path, done=0, tensorboard=True) as log:
        log.write(step(1, kl_estimate=float("inf"), grad_norm=float("nan")))
    assert read_log(tmp_path) == [step(1, kl_estimate=None, grad_norm=None)]
    assert points(tmp_path).keys() == {"loss", "margin/over_rejected_image"}


def test_tensorboard_shows_the_same_numbers_and_none_twice_after_a_resume(tmp_path: Path) -> None:
    """Killed at step 4 behind a checkpoint of step 2."""
    log = StepLog(tmp_path, done=0, tensorboard=True)
    for number in (1, 2, 3, 4):
        log.write(step(number))
    log._writer.flush()  # lest its thread writes the rest when it is thought dead
    with StepLog(tmp_path, done=2, tensorboard=True) as log:
        for number in (3, 4, 5):
            log.write(step(number, loss=8.0))
    assert points(tmp_path) == {
        "loss": [(1, 1.0), (2, 0.5), (3, 8.0), (4, 8.0), (5, 8.0)],
        "margin/over_rejected_image": [(number, 0.25) for number in range(1, 6)],
    }
    assert len(list((tmp_path / TENSORBOARD_NAME).iterdir())) == 1


def test_without_tensorboard_installed_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.log.find_spec", lambda name: None)
    with pytest.raises(BadInput) as refused:
        StepLog(tmp_path, done=0, tensorboard=True)
    assert refused.value.hint == "pip install 'medvlm-zoo[tensorboard]'"
    with pytest.raises(BadInput, match="TensorBoard is not installed"):
        need_tensorboard()
    StepLog(tmp_path, done=0)
