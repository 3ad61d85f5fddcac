"""A run as one picture: losses, rewards, margins, accuracies, drift, gradient norm, learning rate over steps.

It draws the numbers of the run's log, a panel for each kind that is there, and knows of no pair.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.grid import Branch
from zoo.figures import COLOURS, DARK, GREY, new_figure, plain, save
from zoo.manifest import PICTURE_NAME
from zoo.run_log import Floats, read_log, smoothed

LONG = 100
"""From this many steps on a line is a mean over several of them, and the single ones are faint."""

_PANELS = {
    "Loss": ("loss",),
    "Reward: beta × log ratio to the reference": ("reward_",),
    "Margin: the chosen reward less the other": ("margin_over_",),
    "Accuracy: how often the margin is above 0": ("accuracy_over_",),
    "KL, nats a token": ("kl_estimate", "token_kl_"),
    "Gradient norm, before clipping": ("grad_norm",),
    "Learning rate": ("learning_rate",),
}
"""Titles, and what the names of a panel's metrics begin with."""
_BRANCHES = dict(zip(map(str, Branch), COLOURS, strict=False))
_WIDTH, _ROW, _MARGIN = 9.0, 2.05, 0.45
"""Inches; made to be read at 900 pixels."""
_LEGEND: dict[str, Any] = {
    "fontsize": 8,
    "frameon": False,
    "labelcolor": DARK,
    "handlelength": 1.3,
    "columnspacing": 1.2,
    "handletextpad": 0.5,
}


def plot(folder: Path, *, title: str) -> None:
    """Draw the log in `folder` into `training.png` beside it; from the same log always the same picture."""
    entries = read_log(folder)
    steps = [entry for entry in entries if "event" not in entry]
    resumed = [entry["step"] for entry in entries if entry.get("event") == "resumed"]
    panels = _panels(steps)
    if not panels:
        return
    window = len(steps) // 25 if len(steps) >= LONG else 1
    rows, wide = (len(panels) + 1) // 2, len(panels) % 2  # of an odd number the first has a row to itself
    height = _ROW * rows + 2 * _MARGIN
    figure = new_figure(_WIDTH, height)
    grid = figure.add_gridspec(
        rows,
        2,
        left=0.075,
        right=0.975,
        top=1 - (_MARGIN + 0.3) / height,
        bottom=(_MARGIN + 0.15) / height,
        wspace=0.13,
        hspace=0.48,
    )
    at = np.array([entry["step"] for entry in steps], dtype=np.float64)
    for number, (panel, lines) in enumerate(panels.items()):
        place = number + wide if number else 0
        axes = figure.add_subplot(grid[0, :] if wide and not number else grid[place // 2, place % 2])
        _draw(axes, panel, at, lines, 1 if panel == "Learning rate" else window)
        axes.set_xlim(min(at[0], 1), max(at[-1], steps[-1].get("of", 0), 2))
        for step in resumed:
            axes.axvline(step, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    figure.text(0.01, 1 - 0.28 / height, title, fontsize=13, fontweight="bold", color=DARK, va="center")
    _key(figure, [name for lines in panels.values() for name in lines], height)
    figure.text(0.01, 0.16 / height, _caption(steps, window, resumed), fontsize=8, color=GREY, va="center")
    save(figure, folder / PICTURE_NAME)


def _panels(steps: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Floats]]:
    """The metrics of each panel that has any, nan where a step has none."""
    names = list(dict.fromkeys(name for entry in steps for name in entry))
    found = {
        panel: {
            name: np.array([np.nan if entry.get(name) is None else entry[name] for entry in steps])
            for name in names
            if name.startswith(starts)
        }
        for panel, starts in _PANELS.items()
    }
    return {panel: lines for panel, lines in found.items() if lines}


def _draw(axes: Axes, panel: str, at: Floats, lines: Mapping[str, Floats], window: int) -> None:
    """One panel."""
    largest = max(np.nanmax(np.abs(values), initial=0.0) for values in lines.values())
    power = 0 if not largest or 0.01 <= largest < 10_000 else math.floor(math.log10(largest))
    for number, ((name, values), colour) in enumerate(zip(lines.items(), _colours(lines), strict=True)):
        scaled = values / 10.0**power
        if window > 1:
            axes.plot(at, scaled, color=colour, linewidth=0.5, alpha=0.18, zorder=1)
        axes.plot(
            at,
            smoothed(scaled, window),
            color=colour,
            linewidth=max(1.0, 2.2 - 0.4 * number),  # a line shows on both sides of one that covers it
            marker="o" if len(at) == 1 else None,
            label=_label(name),
            zorder=2,
        )
    if panel.startswith("Accuracy"):
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
    if panel.startswith(("Reward", "Margin")):
        axes.axhline(0.0, color=GREY, linewidth=0.8, zorder=0)
    if (len(lines) > 1 and panel == "Loss") or "kl_estimate" in lines:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.03),
            ncols=len(lines),
            borderaxespad=0.0,
            **_LEGEND,
        )
    axes.set_title(f"{panel}, 1e{power}" if power else panel, loc="left", fontsize=9.5, color=DARK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(axes)


def _key(figure: Figure, names: Sequence[str], height: float) -> None:
    """What colour each branch has, for all panels at once."""
    of = {_rest(name) for name in names if name.startswith(("reward_", "margin_over_", "accuracy_over_"))}
    branches = [branch for branch in _BRANCHES if branch in of]
    handles = [Line2D([], [], color=_BRANCHES[b], linewidth=1.6, label=b.replace("_", " ")) for b in branches]
    if handles:
        figure.legend(
            handles=handles,
            loc="center right",
            bbox_to_anchor=(0.98, 1 - 0.28 / height),
            ncols=len(handles),
            **_LEGEND,
        )


def _colours(names: Iterable[str]) -> list[str]:
    """A colour for each line of a panel: that of its branch, or of the last one that its term reads."""
    found: list[str] = []
    for name in names:
        rest = _rest(name)
        own = [colour for branch, colour in _BRANCHES.items() if rest.endswith(branch)] if rest else [DARK]
        found.append(next((c for c in (*own, *reversed(COLOURS)) if c not in found), GREY))
    return found


def _rest(name: str) -> str:
    """A metric's name without the kind that its panel says: a branch, a term, or nothing."""
    starts = [start for starts in _PANELS.values() for start in starts if name.startswith(start)]
    return name.removeprefix(starts[0]).strip("_")


def _label(name: str) -> str:
    """What a line is called beside its panel."""
    if name.startswith("token_kl_"):
        return "over the vocabulary"
    return {"loss": "sum", "kl_estimate": "estimate"}.get(
        name, _rest(name).replace("_", " ").replace("kl", "KL")
    )


def _caption(steps: Sequence[Mapping[str, Any]], window: int, resumed: Sequence[int]) -> str:
    said = [f"Over steps, {steps[-1]['step']} of {steps[-1].get('of', steps[-1]['step'])}"]
    if window > 1:
        said.append(f"lines are means over {window} steps, single ones faint")
    if resumed:
        said.append(f"dotted: resumed after step {', '.join(map(str, resumed))}")
    return "; ".join(said) + "."
