"""The one form that every table of a report has, whatever it is printed as. Knows no score."""

from dataclasses import dataclass

DASH = "–"
"""In the place of a figure that nothing in the data gives."""
NO_DIFFERENCE = "no difference"


@dataclass(frozen=True)
class Cell:
    """What stands in one place."""

    figure: str
    """A value, a difference, the words for none, or a dash."""
    aside: str = ""
    """Its interval, and what else belongs to it."""

    def __str__(self) -> str:
        return f"{self.figure} ({self.aside})" if self.aside else self.figure


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's head: `SLAKE` over `closed, %` over `n 416`."""

    group: str = ""
    name: str
    n: str = ""
    """Questions that the figures below rest on; a range where they differ."""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.group, self.name, self.n and f"({self.n})")))


@dataclass(frozen=True)
class Row:
    """An adapter's figures."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its title and what is said under it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
