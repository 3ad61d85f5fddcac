"""The picture of a run: what is on it, that it is always the same, and the means behind its lines."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from training.execution import Execution
from training.log import StepLog
from training.plot import LONG, plot
from training.stages import Job, Sources, run_stages
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.manifest import LOG_NAME, PICTURE_NAME
from zoo.run_log import read_log, smoothed
from zoo.vlm.model import load_base

Draw = Callable[..., Figure]


@pytest.fixture
def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Call it with the entries of a log to get the figure that was drawn of them into the test's folder."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *words: Any, **options: Any) -> None:
        figures.append(self)
        save(self, *words, **options)

    def drawn(*entries: dict[str, Any]) -> Figure:
        with StepLog(tmp_path, done=0) as log:
            for entry in entries:
                log.write(entry)
        plot(tmp_path, title="mDPO on phantom")
        return figures[-1]

    monkeypatch.setattr(Figure, "savefig", keep)
    return drawn


def preference(step: int, of: int = 6) -> dict[str, Any]:
    return {
        "step": step,
        "of": of,
        "loss": 2.0 / step,
        "loss_prefer_chosen_over_rejected_response": 1.5 / step,
        "loss_anchor_chosen": 0.5 / step,
        "reward_chosen": 0.1 * step,
        "reward_rejected_response": -0.2 * step,
        "margin_over_rejected_response": 0.3 * step,
        "accuracy_over_rejected_response": min(1.0, step / of),
        "kl_estimate": 1e-5 * step,
        "learning_rate": 1e-4,
        "grad_norm": 1.0,
        "seconds": 2.0 * step,
    }


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_every_kind_of_number_has_a_panel_and_every_number_a_line(draw: Draw, tmp_path: Path) -> None:
    figure = draw(*map(preference, (1, 2, 3)))
    assert titles(figure) == [
        "Loss",
        "Reward: beta × log ratio to the reference",
        "Margin: the chosen reward less the other",
        "Accuracy: how often the margin is above 0",
        "KL, nats a token, 1e-5",
        "Gradient norm, before clipping",
        "Learning rate, 1e-4",
    ]
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines}
    assert lines == {
        "sum": [2.0, 1.0, 2.0 / 3],
        "prefer chosen over rejected response": [1.5, 0.75, 0.5],
        "anchor chosen": [0.5, 0.25, 0.5 / 3],
    }
    assert np.asarray(figure.axes[4].lines[0].get_ydata()) == pytest.approx([1.0, 2.0, 3.0])
    assert [text.get_text() for text in figure.axes[4].get_legend().get_texts()] == ["estimate"]  # type: ignore[union-attr]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["chosen", "rejected response"]
    assert [text.get_text() for text in figure.texts] == ["mDPO on phantom", "Over steps, 3 of 6."]
    with Image.open(tmp_path / PICTURE_NAME) as picture:
        assert picture.width >= 900
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG_NAME, PICTURE_NAME]


def test_a_run_under_way_has_a_picture_behind_a_checkpoint_and_a_finished_one_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []

    def seeing(folder: Path, *, title: str) -> None:
        plot(folder, title=title)
        seen.append((title, len(read_log(folder))))

    monkeypatch.setattr("training.loop.plot", seeing)
    monkeypatch.setattr("training.stages.plot", seeing)
    monkeypatch.setattr("training.loop.PLOT_EVERY_S", 0)
    job = Job(
        sources=Sources(questions=load_questions("phantom", "train", limit=6), seed=0),
        seed=0,
        changes={"epochs": 1, "batch_size": 2},
        execution=Execution(checkpoint_every=2),
    )
    run_stages(load_base(get_base("phantom")), get_variant("text_hallu"), job, tmp_path / "run")
    title = f"{get_variant('text_hallu').title} on phantom"
    assert seen == [(title, 2), (title, 3)]
    assert (tmp_path / "run" / PICTURE_NAME).is_file()


def test_a_run_without_a_reference_has_no_empty_panels(draw: Draw) -> None:
    entry = {"step": 1, "of": 2, "loss": 3.0, "learning_rate": 0.5, "grad_norm": 2.0}
    assert titles(draw(entry)) == ["Loss", "Gradient norm, before clipping", "Learning rate"]


def test_the_same_log_gives_the_same_picture_to_the_byte(draw: Draw, tmp_path: Path) -> None:
    pictures = []
    for _ in range(2):
        draw(*map(preference, (1, 2, 3)))
        pictures.append((tmp_path / PICTURE_NAME).read_bytes())
    assert pictures[0] == pictures[1]


def test_a_stop_is_marked_in_every_panel_and_steps_yet_to_come_are_left_blank(draw: Draw) -> None:
    entries = [*map(preference, (1, 2)), {"event": "resumed", "step": 2}, preference(3)]
    figure = draw(*entries)
    for axes in figure.axes:
        assert [line.get_xdata() for line in axes.lines if line.get_linestyle() == "--"] == [[2, 2]]
        assert axes.get_xlim() == (1.0, 6.0)
    assert figure.texts[1].get_text() == "Over steps, 3 of 6; dotted: resumed after step 2."


def test_a_long_run_is_drawn_as_means_over_faint_steps(draw: Draw) -> None:
    figure = draw(*(preference(step, of=2 * LONG) for step in range(1, 2 * LONG + 1)))
    faint, line = figure.axes[1].lines[:2]
    assert (faint.get_alpha(), line.get_alpha()) == (0.18, None)
    assert np.asarray(faint.get_ydata())[9] == pytest.approx(1.0)
    assert np.asarray(line.get_ydata())[9] == pytest.approx(np.mean(np.arange(6, 14) / 10))
    assert "lines are means over 8 steps" in figure.texts[1].get_text()


def test_a_number_that_a_step_lacks_leaves_a_gap(draw: Draw) -> None:
    figure = draw(preference(1), preference(2) | {"kl_estimate": None}, preference(3))
    values = np.asarray(figure.axes[4].lines[0].get_ydata())
    assert np.isnan(values).tolist() == [False, True, False]


def test_without_a_step_there_is_no_picture(tmp_path: Path) -> None:
    plot(tmp_path, title="mDPO on phantom")
    assert not (tmp_path / PICTURE_NAME).exists()


def test_means_leave_out_what_is_not_known_and_shrink_at_the_ends() -> None:
    values = np.array([1.0, math.nan, 3.0, 8.0])
    assert smoothed(values, 1).tolist()[2:] == [3.0, 8.0]
    assert smoothed(values, 3).tolist() == [1.0, 2.0, 5.5, 5.5]
    assert np.isnan(smoothed(values, 1)[1])
