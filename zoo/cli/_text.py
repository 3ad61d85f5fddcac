"""Tables and terms as text for people. Knows no verb."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zoo.evaluation.correction import MARK, stands

if TYPE_CHECKING:
    from zoo.manifest import Bounds


def aligned(rows: Sequence[Sequence[str]], *, spare: Sequence[str] = ()) -> list[str]:
    """The lines of a table whose first row is its head.

    On a terminal that is too narrow the columns named in `spare` are left out, the first first; where
    nothing is a terminal, in a pipe or a file, the table is whole.
    """
    kept = list(range(len(rows[0])))
    widths = [max(len(row[i]) for row in rows) for i in kept]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name in spare:
        if room is None or sum(widths[i] + 2 for i in kept) - 2 <= room:
            break
        kept = [i for i in kept if rows[0][i] != name]
    return ["  ".join(row[i].ljust(widths[i]) for i in kept).rstrip() for row in rows]


def legend(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line on what `†` means, if it stands in one of the rows."""
    if not any(cell.endswith(MARK) for row in rows for cell in row):
        return []
    return [f"{MARK} does not survive the correction for all comparisons made with it"]


def term(of: Mapping[str, object]) -> str:
    """A term of an objective, as data, in a line."""
    inside = ", ".join(f"{key}={value}" for key, value in of.items() if key != "term" and value is not None)
    return f"{of.get('term', 'term')}({inside})"


def between(value: float | None, other: float | None, bounds: "Bounds | None") -> str:
    """`value - other` with the 95 % interval `bounds` of it, or the words `no difference`; `-` if it was not
    asked; see `legend` for `†`."""
    if value is None or other is None or bounds is None:
        return "-"
    interval = f"({bounds.low:+.3f} to {bounds.high:+.3f})"
    if bounds.holds_zero:
        return f"no difference {interval}"
    is_sure = bounds.adjusted_p is None or stands(bounds.adjusted_p)
    apart = value - other if bounds.value is None else bounds.value
    return f"{apart:+.3f} {interval}{'' if is_sure else f' {MARK}'}"
