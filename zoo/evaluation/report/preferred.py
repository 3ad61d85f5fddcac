"""Ratings by people as pictures: strengths, severities, who was preferred to whom. Computes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.preferences import Pair, Strength
from zoo.evaluation.report.forest import broken
from zoo.evaluation.report.table import DASH, NO_DIFFERENCE
from zoo.figures import COLOURS, DARK, GREY, GROUND, ON_COLOUR, PALE, beside, head, key, new_figure, plain
from zoo.records import Severity

_WIDTH, _ROW, _ROOM, _PANEL = 7.5, 0.32, 0.9, 0.6
"""Inches: a picture, an adapter's row, what stands above and below, and a panel's title and scale."""
_BLUE, _ORANGE = COLOURS[:2]
_LESS = "#b34d00"
"""The orange on which white can be read."""
_SEVERITIES: dict[Severity, tuple[str, str]] = {
    "none": (COLOURS[5], ON_COLOUR),
    "minor": (COLOURS[4], ON_COLOUR),
    "severe": (_ORANGE, "white"),
}
"""Colours of a bar and of what is written on it, in the order from the left."""
_ARROW = {"above": ">", "below": "<"}
"""At the edge of a panel, of what has no finite strength."""
_SHORT = 12
"""Characters of a name that fits over a square."""
_ROOM_FOR_TEXT = 0.08
"""Of the whole: a narrower part of a bar has no figure."""


def strengths_figure(against: Mapping[str, Sequence[Strength]]) -> Figure:
    """A panel a reference: the probability of being preferred to it, and one half as its line."""
    names = list(dict.fromkeys([*against, *(s.adapter for found in against.values() for s in found)]))
    figure = _figure(len(names), panels=len(against))
    axes = figure.subplots(len(against), 1, sharex=True, squeeze=False)[:, 0]
    for place, (reference, found) in zip(axes, against.items(), strict=True):
        place.axvline(50, color=DARK, linewidth=1.0, zorder=1)
        place.plot(50, names.index(reference), "D", color=DARK, markersize=6, zorder=3)
        for strength in found:
            _strength(place, names.index(strength.adapter), strength)
        place.set_xlim(0, 100)
        place.set_title(_safe(f"against {reference}"), loc="left", fontsize=9, color=DARK)
        plain(place, grid="x")
        _rows(place, names)
    axes[-1].set_xlabel("% preferred, ties half", fontsize=8, color=DARK)
    head(figure, "Bradley-Terry strengths with 95 % intervals")
    looks = [(DARK, "D", "the reference"), (_BLUE, "o", "a difference"), (GREY, "o", NO_DIFFERENCE)]
    if any(strength.side for of in against.values() for strength in of):
        looks.append((_BLUE, _ARROW["above"], "above or below in all"))
    key(figure, [Line2D([], [], color=c, marker=m, markersize=6, label=label) for c, m, label in looks])
    return figure


def severity_figure(shares: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """A bar an adapter, parted by severity; whiskers at the edges are the intervals of none, from the
    left, and of severe, from the right."""
    figure = _figure(len(shares))
    axes = figure.subplots()
    for row, of in enumerate(shares.values()):
        start = 0.0
        for name, (colour, ink) in _SEVERITIES.items() if of else ():
            value = of[name].value
            axes.barh(row, 100 * value, left=100 * start, height=0.74, color=colour, edgecolor=GROUND)
            if value > _ROOM_FOR_TEXT:
                middle = 100 * (start + value / 2)
                axes.text(middle, row, f"{100 * value:.0f}", color=ink, fontsize=8, ha="center", va="center")
            start += value
        if of:
            severe, none = of["severe"], of["none"]
            _whisker(axes, row - 0.26, none.low, none.high)
            _whisker(axes, row + 0.26, 1 - severe.high, 1 - severe.low)
        beside(axes, row, f"n {of['none'].n}" if of else "none could be judged")
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of judged answers", fontsize=8, color=DARK)
    plain(axes, grid="x")
    _rows(axes, list(shares))
    head(figure, "Image misunderstanding with 95 % intervals")
    parts = [Patch(color=colour, label=name) for name, (colour, _) in _SEVERITIES.items()]
    lines = "95 %: upper line of none, lower of severe, from the right"
    key(figure, [*parts, Line2D([], [], color=DARK, linewidth=1.1, marker="|", label=lines)])
    return figure


def wins_figure(pairs: Sequence[Pair], names: Sequence[str]) -> Figure:
    """A square a pair: on how many of their questions the row was preferred to the column, ties half."""
    size = len(names)
    figure = new_figure(min(_WIDTH, 1.75 + 0.95 * size), 1.3 + 0.62 * size)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for pair in pairs:
        row, column = names.index(pair.first), names.index(pair.second)
        _square(axes, row, column, pair, sign=1)
        _square(axes, column, row, pair, sign=-1)
    axes.set_xlim(-0.5, size - 0.5)
    _rows(axes, names)
    axes.set_ylim(size - 0.5, -0.5)
    axes.xaxis.tick_top()
    if max(map(len, names)) <= _SHORT:
        heads = [_safe(name) for name in names]
    else:  # which would lie over each other
        heads = [str(number) for number in range(1, size + 1)]
        rows = [f"{_safe(broken(name))}  {head}" for name, head in zip(names, heads, strict=True)]
        axes.set_yticks(range(size), rows)
    axes.set_xticks(range(size), heads, fontsize=8, color=DARK)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    head(figure, "Row preferred to column, % (ties half)")
    more, less = Patch(color=_BLUE, label="more"), Patch(color=_LESS, label="less")
    key(figure, [more, less, Patch(facecolor=PALE, edgecolor=GREY, label=NO_DIFFERENCE)])
    return figure


def _strength(axes: Axes, row: int, found: Strength) -> None:
    if found.share is None:
        beside(axes, row, found.reason if found.side else DASH)
        if found.side:
            edge, back = (98, 91) if found.side == "above" else (2, 9)
            axes.plot([back, edge], [row, row], color=_BLUE, linewidth=1.8, zorder=2)
            axes.plot(edge, row, _ARROW[found.side], color=_BLUE, markersize=7, zorder=3)
        return
    share, colour = found.share, _BLUE if found.differs else GREY
    axes.plot([100 * share.low, 100 * share.high], [row, row], color=colour, linewidth=1.8, zorder=2)
    axes.plot(100 * share.value, row, "o", color=colour, markersize=6.5, zorder=3)
    words = f"{100 * share.value:.0f} ({100 * share.low:.0f} to {100 * share.high:.0f})"
    beside(axes, row, f"{words}, n {share.n}")


def _whisker(axes: Axes, row: float, low: float, high: float) -> None:
    axes.plot([100 * low, 100 * high], [row, row], color=ON_COLOUR, linewidth=1.1, zorder=3)
    axes.plot([100 * low, 100 * high], [row, row], "|", color=ON_COLOUR, markersize=4, zorder=3)


def _square(axes: Axes, row: int, column: int, pair: Pair, *, sign: int) -> None:
    """A lead of L is preferred with share (1 + L) / 2, ties half; `sign` -1 from the second's side."""
    lead = sign * np.array([pair.lead.value, pair.lead.low, pair.lead.high])
    share, *bounds = 50 * (1 + lead)
    differs = not pair.lead.holds_zero
    colour, ink = (_BLUE if share > 50 else _LESS, "white") if differs else (PALE, DARK)
    axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, edgecolor="none"))
    middle: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
    axes.text(column, row - 0.2, f"{share:.0f}", fontsize=11, **middle)
    axes.text(column, row + 0.08, f"{min(bounds):.0f} to {max(bounds):.0f}", fontsize=7.5, **middle)
    axes.text(column, row + 0.3, f"n {pair.win.n}", fontsize=7.5, **middle)


def _figure(rows: int, *, panels: int = 1) -> Figure:
    figure = new_figure(_WIDTH, _ROOM + panels * (_PANEL + _ROW * max(2, rows)))
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
    return figure


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_safe(broken(name)) for name in names], fontsize=8, color=DARK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _safe(text: str) -> str:
    """A name as it is: matplotlib would read what stands between dollars."""
    return text.replace("$", r"\$")
