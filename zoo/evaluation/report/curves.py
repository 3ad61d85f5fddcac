"""Learning curves of several runs in one picture, from the logs in their folders. Knows no variant."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from zoo.errors import BadInput
from zoo.figures import COLOURS, DARK, GREY, head, key, new_figure, plain
from zoo.manifest import LOG_NAME, MANIFEST_NAME, read_manifest
from zoo.run_log import Floats, read_log, smoothed

Style = Literal["-", "--", ":"]
_PANELS = {
    "Loss, of each its own objective": "loss",
    "Margin: the chosen reward less the others, mean": "margin_over_",
    "Accuracy: how often a margin is above 0, mean": "accuracy_over_",
    "KL to the reference, estimate, nats a token": "kl_estimate",
}
"""Titles, and a panel's metric, or where that ends in `_` what the names of its metrics begin with."""
_STYLES: tuple[Style, ...] = ("-", "--", ":")
_LINES = 25
"""A line is a mean over so many parts of its run: its steps through this are the window."""


def curves(folders: Sequence[Path]) -> Figure:
    """A panel for each of loss, margin, accuracy and KL that any run has, a line a run.

    Raises:
        BadInput: a folder holds no log, or one of no step.
    """
    runs = _runs(folders)
    shown = {
        t: start
        for t, start in _PANELS.items()
        if any(_line(steps, start) is not None for steps in runs.values())
    }
    rows = math.ceil(len(shown) / 2)
    figure = new_figure(10.0, 0.9 + 2.5 * rows + 0.22 * math.ceil(len(runs) / 2))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    grid = figure.add_gridspec(rows, min(2, len(shown)))
    for number, (title, start) in enumerate(shown.items()):
        last_alone = number == len(shown) - 1 and number % 2 == 0
        axes = figure.add_subplot(grid[number // 2, :] if last_alone else grid[number // 2, number % 2])
        _draw(axes, title, start, runs)
    head(figure, "Learning curves: moving means")
    key(figure, _key(list(runs)), columns=2)
    return figure


def _runs(folders: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """The steps of each run, by its repo's or its folder's name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        steps = [entry for entry in read_log(folder) if "event" not in entry]
        if not steps:
            raise BadInput(
                f"{folder / LOG_NAME} has no steps of a run", hint="name folders that `medzoo train` made"
            )
        named = read_manifest(folder).repo if (folder / MANIFEST_NAME).is_file() else ""
        name = named or folder.resolve().name
        found[f"{name} ({folder})" if name in found else name] = steps
    return found


def _line(steps: Sequence[Mapping[str, Any]], start: str) -> Floats | None:
    """Each step's value, or mean over the metrics whose names begin so; nan where it has none; None if all
    are."""

    def is_shown(name: str) -> bool:
        return name.startswith(start) if start.endswith("_") else name == start

    values = np.array([_mean([step[name] for name in step if is_shown(name)]) for step in steps])
    return None if np.isnan(values).all() else values


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _draw(axes: Axes, title: str, start: str, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for number, steps in enumerate(runs.values()):
        values = _line(steps, start)
        if values is not None:
            at = [step["step"] for step in steps]
            colour, style = look(number)
            window = max(1, len(at) // _LINES)
            axes.plot(at, smoothed(values, window), color=colour, linestyle=style, linewidth=1.5)
    if start.startswith("accuracy"):
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
    if start.startswith("margin"):
        axes.axhline(0.0, color=GREY, linewidth=0.8, zorder=0)
    axes.set_title(title, loc="left", fontsize=9.5, color=DARK)
    axes.set_xlabel("step", fontsize=8, color=DARK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(axes)


def look(number: int) -> tuple[str, Style]:
    """Colour and style of a line by its number; the first 18 differ."""
    return COLOURS[number % len(COLOURS)], _STYLES[number // len(COLOURS) % len(_STYLES)]


def _key(names: Sequence[str]) -> list[Line2D]:
    looks = map(look, range(len(names)))
    return [
        Line2D([], [], color=colour, linestyle=style, linewidth=1.6, label=name)
        for name, (colour, style) in zip(names, looks, strict=True)
    ]
