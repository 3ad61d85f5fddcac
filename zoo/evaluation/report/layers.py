"""Attention on findings by layer: a line an adapter, its interval as a band. Computes nothing."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from zoo.evaluation.report.curves import Style, look
from zoo.evaluation.report.grounded import MEAN, Looked
from zoo.figures import DARK, GREY, head, key, new_figure, plain
from zoo.records import BASE

_TITLES = {
    "ratio": "Attention ratio on the finding\n(more is better; dashed: chance)",
    "kl": "KL of attention from the finding\n(nats, less is better)",
    "js": "JS divergence of attention from the finding\n(nats, less is better)",
}


def layer_lines(looked: Mapping[str, Sequence[Looked]], *, title: str) -> Figure:
    """A panel for each measure."""
    names = list(dict.fromkeys(one.adapter for of_measure in looked.values() for one in of_measure))
    figure = new_figure(10.5, 3.6 + 0.22 * ((len(names) + 1) // 2))
    figure.set_layout_engine("constrained", w_pad=0.08)
    for axes, (measure, values) in zip(figure.subplots(1, len(looked)), looked.items(), strict=True):
        _draw(axes, measure, values, names)
    n = next(iter(looked.values()))[0].interval.n
    head(figure, f"{title}, n {n}, means with 95 % intervals")
    colours = {name: _look(number, name) for number, name in enumerate(names)}
    handles = [
        Line2D([], [], color=colour, linestyle=style, linewidth=1.6, label=name)
        for name, (colour, style) in colours.items()
    ]
    key(figure, handles, columns=2)
    return figure


def _draw(axes: Axes, measure: str, looked: Sequence[Looked], names: Sequence[str]) -> None:
    if measure == "ratio":
        axes.axhline(1.0, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    for number, name in enumerate(names):
        found = [one for one in looked if one.adapter == name and one.layer != MEAN]
        at = [int(one.layer) for one in found]
        colour, style = _look(number, name)
        low, high = [one.interval.low for one in found], [one.interval.high for one in found]
        axes.fill_between(at, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.plot(
            at, [one.interval.value for one in found], color=colour, linestyle=style, linewidth=1.7,
            marker="o", markersize=3.5,
        )  # fmt: skip
    axes.set_title(_TITLES[measure], loc="left", fontsize=9.5, color=DARK)
    axes.set_xlabel("layer", fontsize=8, color=DARK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(axes)


def _look(number: int, name: str) -> tuple[str, Style]:
    return (DARK, "-") if name == BASE else look(number - 1)
