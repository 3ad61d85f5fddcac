"""A study's dot plot: accuracy with its interval a variant, base and SFT as vertical lines."""

from pathlib import Path

from training.study.plan import SFT
from training.study.result import Study
from zoo.records import BASE

_COLOURS = {BASE: "#555555", SFT: "#D55E00"}
"""Of Okabe and Ito's palette, told apart by line style too."""
_OTHER = "#0072B2"


def plot(study: Study, path: Path) -> None:
    """Draw the variants from the best (top) to the worst; those that failed are left out."""
    from zoo.figures import new_figure

    rows = sorted((r for r in study.rows if r.scores), key=lambda r: r.scores["all"].accuracy.value)
    figure = new_figure(7.5, 1.6 + 0.26 * len(rows))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for height, row in enumerate(rows):
        whole = row.scores["all"].accuracy
        colour = _COLOURS.get(row.name, _OTHER)
        axes.plot([100 * whole.low, 100 * whole.high], [height, height], color=colour, linewidth=1.5)
        seeds = [100 * s.accuracy for s in row.seeds if s.accuracy is not None]
        axes.plot(seeds, [height] * len(seeds), "|", color="black", markersize=8, markeredgewidth=1)
        axes.plot(100 * whole.value, height, "o", color=colour, markersize=6)
        if row.name in _COLOURS:
            style = "--" if row.name == SFT else ":"
            axes.axvline(
                100 * whole.value, color=colour, linestyle=style, linewidth=1, zorder=0, label=row.name
            )
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_xlabel(
        f"accuracy on {study.about['test']['questions']} test questions, % (mean over seeds with its 95 % "
        "interval; a stroke a seed)",
        fontsize=8,
    )
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=150)
