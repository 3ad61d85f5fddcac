"""The tables of papers as declarations: a file each, found by listing this folder. A layout knows no score.

A file declares `LAYOUT = Layout(...)`. A place names the data sets, the metric and the part of the questions
that the paper's column has; several data sets are averaged (macro) or pooled (micro).
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Literal

from zoo.discovery import declared
from zoo.errors import UnknownName

USUAL = "default"
"""The name of the layout that is no paper's."""


@dataclass(frozen=True)
class Place:
    """A column of a paper's table."""

    group: str
    name: str
    metric: str
    datasets: tuple[str, ...]
    subset: str = "all"
    over: Literal["macro", "micro"] = "macro"
    """How several data sets become one figure: the mean of theirs, or all questions pooled."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A table of a paper."""

    title: str
    places: tuple[Place, ...]
    note: str = ""
    """Where ours differs from the paper's."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tables of a paper that a report can have."""

    about: str
    parts: tuple[Part, ...]

    def metrics(self, datasets: Collection[str]) -> list[str]:
        """The metrics that its tables need where answers to these data sets are at hand."""
        places = [place for part in self.parts for place in part.places]
        return list(dict.fromkeys(p.metric for p in places if not set(p.datasets).isdisjoint(datasets)))


@cache
def layouts() -> dict[str, Layout]:
    """Every layout of this folder by name.

    Raises:
        BadDeclaration: a file that declares no `LAYOUT`.
    """
    return declared(__name__, __path__, "LAYOUT", Layout)


def get_layout(name: str) -> Layout:
    """The layout of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in layouts():
        raise UnknownName("layout", name, [USUAL, *layouts()])
    return layouts()[name]
