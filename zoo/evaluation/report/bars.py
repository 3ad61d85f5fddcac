"""Bars from zero, an adapter a row: by error type, and with other images. Computes nothing.

Bars, not a radar: lengths can be compared, they carry intervals, and no order of types makes an area.
"""

from collections.abc import Sequence
from typing import get_args

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.correction import MARK
from zoo.evaluation.metrics import Metric
from zoo.evaluation.report.figures import counted, survives
from zoo.evaluation.report.figures import figure as shown_figure
from zoo.evaluation.report.forest import broken
from zoo.evaluation.report.scored import Scored
from zoo.evaluation.report.usual import ERROR_TYPES, SHOWN
from zoo.evaluation.score import Score
from zoo.figures import COLOURS, DARK, GREY, beside, head, key, new_figure, plain
from zoo.records import BASE, ErrorType, Shown

_BLUE, _ORANGE, _GREEN = COLOURS[:3]
_SHOWN: dict[Shown, str] = {"own": _BLUE, "noise": COLOURS[4], "other": _GREEN}
_WIDTH, _ROOM = 10.0, 1.45
_ERROR = {"ecolor": DARK, "elinewidth": 0.9, "capsize": 2.0, "capthick": 0.9}


def error_bars(scores: Sequence[Score], metric: Metric, scored: Scored, *, title: str) -> Figure:
    """A panel for each error type that has questions; the base's value goes through as a dotted line."""
    types = [t for t in get_args(ErrorType) if any(s.subset == t for s in scores)]
    names = [a for a in scored.adapters if any(s.adapter == a for s in scores)]
    figure = new_figure(_WIDTH, _ROOM + 0.36 * len(names))
    figure.set_layout_engine("constrained", w_pad=0.08)
    axes = figure.subplots(1, len(types), sharey=True, sharex=True, squeeze=False)[0]
    for place, kind in zip(axes, types, strict=True):
        by = {s.adapter: s for s in scores if s.subset == kind}
        for row, name in enumerate(names):
            if name in by:
                colour = GREY if name == BASE else _ORANGE if name == scored.sft else _BLUE
                _bar(place, row, by[name].interval.value, by[name].interval, metric, colour, height=0.62)
        if BASE in by:
            place.axvline(_scaled(by[BASE].interval.value, metric), color=DARK, linewidth=0.9, linestyle=":")
        n = counted(s.interval.n for s in by.values())
        place.set_title(f"{kind} {ERROR_TYPES[kind]}, {n}", loc="left", fontsize=9, color=DARK)
        _finish(place, metric)
    _label(axes[0], names, scored)
    head(figure, title + "; dotted: the base" * (BASE in names))
    return figure


def ablation_bars(scores: Sequence[Score], metric: Metric, scored: Scored, *, title: str) -> Figure:
    """Each adapter's score with the questions' own images, and with others in their place, of the same
    questions; what is written is what is lost."""
    by = {(s.adapter, s.shown): s for s in scores}
    others: list[Shown] = [kind for kind in SHOWN if kind != "own" and any(s.shown == kind for s in scores)]
    names = [a for a in scored.adapters if any((a, kind) in by for kind in others)]
    figure = new_figure(_WIDTH, _ROOM + 0.3 + 0.36 * len(names))
    figure.set_layout_engine("constrained", w_pad=0.08)
    axes = figure.subplots(1, len(others), sharey=True, sharex=True, squeeze=False)[0]
    for place, kind in zip(axes, others, strict=True):
        for row, name in enumerate(names):
            score = by.get((name, kind))
            if score is None:
                continue
            if score.own_value is not None:
                _bar(place, row - 0.19, score.own_value, None, metric, _SHOWN["own"], height=0.36)
            _bar(place, row + 0.19, score.interval.value, score.interval, metric, _SHOWN[kind], height=0.36)
            if score.lost is not None:
                none = score.lost.holds_zero
                lost = "nothing" if none else shown_figure(score.lost.value, metric)
                lost += "" if none or survives(score.lost) else MARK
                beside(place, row, f"{lost} lost", faint=none)
        n = counted(s.interval.n for s in scores if s.shown == kind)
        place.set_title(f"own image and {SHOWN[kind]}, {n}", loc="left", fontsize=9, color=DARK)
        _finish(place, metric)
    _label(axes[0], names, scored)
    head(figure, title + ", how much the image matters")
    key(
        figure,
        [Patch(color=_SHOWN[kind], label=SHOWN[kind]) for kind in SHOWN if kind == "own" or kind in others],
    )
    return figure


def _bar(
    axes: Axes,
    row: float,
    value: float,
    interval: Interval | None,
    metric: Metric,
    colour: str,
    *,
    height: float,
) -> None:
    """One bar, `height` of a row, with its interval if it has one."""
    whiskers = None
    if interval is not None:
        below, above = max(0.0, value - interval.low), max(0.0, interval.high - value)
        whiskers = [[_scaled(below, metric)], [_scaled(above, metric)]]
    axes.barh(row, _scaled(value, metric), height=height, color=colour, xerr=whiskers, error_kw=_ERROR)


def _scaled(value: float, metric: Metric) -> float:
    return 100 * value if metric.percent else value


def _finish(axes: Axes, metric: Metric) -> None:
    plain(axes, grid="x")
    axes.set_xlim(left=0.0)
    axes.tick_params(axis="y", length=0)
    unit = "%" if metric.percent else metric.name
    axes.set_xlabel(unit + (" (less is better)" if metric.better < 0 else ""), fontsize=8, color=DARK)


def _label(axes: Axes, names: Sequence[str], scored: Scored) -> None:
    axes.set_yticks(range(len(names)), [broken(scored.label(name)) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
