"""Paired differences as a forest plot: a line an adapter, its interval, and zero. Computes nothing."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zoo.evaluation.correction import MARK
from zoo.evaluation.metrics import Metric
from zoo.evaluation.report.figures import counted, difference_cell, survives
from zoo.evaluation.report.panels import Role, difference
from zoo.evaluation.report.scored import Scored
from zoo.evaluation.score import Difference, Score
from zoo.figures import COLOURS, DARK, GREY, beside, head, key, new_figure, plain

_BLUE = COLOURS[0]
_WIDTH, _ROW, _ROOM = 10.0, 0.34, 1.55
"""Inches: the picture, an adapter's row, and what stands above and below."""
_LABEL = 34
"""Longest line of an adapter's name, in characters."""


def forest(scores: Sequence[Score], metric: Metric, scored: Scored, *, title: str) -> Figure:
    """Differences over SFT, where there is one, and over the base side by side; a score an adapter."""
    by = {s.adapter: s for s in scores}
    roles: list[Role] = [r for r in ("over_sft", "over_base") if any(difference(s, r) for s in scores)]
    names = [a for a in scored.adapters if a in by and any(difference(by[a], r) for r in roles)]
    labels = [broken(scored.label(name)) for name in names]
    height = _ROOM + _ROW * sum(max(1.0, 0.7 * (1 + label.count("\n"))) for label in labels)
    figure = new_figure(_WIDTH, height)
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
    axes = figure.subplots(1, len(roles), sharey=True, squeeze=False)[0]
    for place, role in zip(axes, roles, strict=True):
        _panel(place, [difference(by[name], role) for name in names], metric)
        over = "the base" if role == "over_base" else "SFT"
        n = counted(d.n for name in names if (d := difference(by[name], role)) is not None)
        place.set_title(f"over {over}, {n}", loc="left", fontsize=9.5, color=DARK)
        unit = "points" if metric.percent else "difference"
        place.set_xlabel(unit + (" (less is better)" if metric.better < 0 else ""), fontsize=8, color=DARK)
    axes[0].set_yticks(range(len(names)), labels)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    head(figure, f"{title}, differences with 95 % intervals")
    key(figure, _key())
    return figure


def broken(label: str) -> str:
    """A long name on several lines, broken behind its owner where that is enough."""
    if len(label) <= _LABEL:
        return label
    owner, slash, name = label.partition("/")
    parts = [owner + slash, name] if slash else [label]
    return "\n".join(line for part in parts for line in textwrap.wrap(part, _LABEL))


def _panel(axes: Axes, differences: Sequence[Difference | None], metric: Metric) -> None:
    scale = 100 if metric.percent else 1
    axes.axvline(0.0, color=DARK, linewidth=1.0, zorder=1)
    for row, found in enumerate(differences):
        if found is None:
            continue
        colour = GREY if found.holds_zero else _BLUE
        fill = colour if found.holds_zero or survives(found) else "white"
        axes.plot([scale * found.low, scale * found.high], [row, row], color=colour, linewidth=1.8, zorder=2)
        axes.plot(
            scale * found.value, row, "o", color=colour, markerfacecolor=fill, markersize=6.5,
            markeredgewidth=1.6, zorder=3,
        )  # fmt: skip
        beside(axes, row, str(difference_cell(found, metric)), faint=found.holds_zero)
    plain(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _key() -> list[Line2D]:
    def of(colour: str, fill: str, label: str) -> Line2D:
        return Line2D([], [], color=colour, marker="o", markerfacecolor=fill, markersize=6, label=label)

    return [
        of(_BLUE, _BLUE, "a difference"),
        of(_BLUE, "white", f"no longer one after the correction for many comparisons ({MARK})"),
        of(GREY, GREY, "no difference"),
    ]
