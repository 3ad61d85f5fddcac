"""How the zoo draws: colours, sizes, plain axes, and a picture on disk in one step. Knows no numbers."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe and Ito's palette, told apart by the colour-blind too."""
DARK, GREY, LIGHT = "#333333", "#8c8c8c", "#e6e6e6"
PALE, GROUND, ON_COLOUR = "#f2f2f2", "#fefefe", "#262626"
"""An area that says nothing, what parts two areas, and what is written on a bright one: by night too."""
_EDGE = "#bbbbbb"
_NIGHT: Mapping[str, str] = {
    DARK: "#e8edf3",
    GREY: "#93a1b2",
    LIGHT: "#2c3744",
    PALE: "#2a3542",
    GROUND: "#18212c",
    _EDGE: "#64748b",
}
"""What is drawn in instead on a dark ground."""
DPI = 150
"""Dots an inch."""


def new_figure(width: float, height: float) -> Figure:
    """An empty picture of so many inches, drawn without a screen and without pyplot's state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def plain(axes: Axes, *, grid: str = "both") -> None:
    """Axes without a box, small figures, a faint grid along `x`, `y` or `both` behind what is drawn."""
    axes.tick_params(labelsize=8, color=_EDGE, labelcolor=DARK)
    axes.grid(axis=grid, color=LIGHT, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_EDGE)


def head(figure: Figure, title: str) -> None:
    """The title above all panels."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=DARK)


def key(figure: Figure, handles: Sequence[Artist], *, columns: int | None = None) -> None:
    """What the marks mean, below all panels of a figure whose layout is constrained."""
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns or len(handles),
        fontsize=8,
        frameon=False,
        labelcolor=DARK,
    )


def beside(axes: Axes, y: float, text: str, *, faint: bool = False) -> None:
    """A row's figures to the right of its panel."""
    colour = GREY if faint else DARK
    place = axes.get_yaxis_transform()
    axes.text(1.02, y, text, transform=place, fontsize=7.5, color=colour, va="center")


def as_svg(figure: Figure, *, dark: bool = False) -> bytes:
    """The picture without a ground of its own; `dark` to be read on a dark one."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = out.getvalue()
    for day, night in _NIGHT.items() if dark else ():
        drawn = drawn.replace(day.encode(), night.encode())
    return drawn


def save(figure: Figure, path: Path) -> None:
    """Write a PNG in one atomic step; the same figure gives the same file."""
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png", dpi=DPI, metadata={"Software": None})
    os.replace(part, path)
