"""Tables as plain text; one that is too wide goes on below, with the adapters' names again."""

import textwrap
from collections.abc import Iterator, Sequence

from zoo.evaluation.report.table import Table

_GAP = "  "


def as_text(tables: Sequence[Table], *, width: int = 110) -> str:
    """The tables one below the other, no line wider than `width` if one column fits it."""
    return "\n\n".join(_table(table, width) for table in tables)


def _table(table: Table, width: int) -> str:
    names = ["", "", "", *(row.name for row in table.rows)]
    columns = [
        ["", head.name, head.n, *(str(row.cells[i]) for row in table.rows)]
        for i, head in enumerate(table.columns)
    ]
    first = _padded(names)
    blocks = []
    for chunk in _chunks([max(map(len, column)) for column in columns], width - len(first[0]) - len(_GAP)):
        groups = [table.columns[i].group for i in chunk]
        shown = [list(columns[i]) for i in chunk]
        for place, group in enumerate(groups):
            if not place or group != groups[place - 1]:
                shown[place][0] = group
        lines = [_GAP.join(cells).rstrip() for cells in zip(first, *map(_padded, shown), strict=True)]
        blocks.append("\n".join(line for n, line in enumerate(lines) if n > 2 or line))  # no empty head
    notes = [textwrap.fill(note, width) for note in table.notes]
    return "\n".join([table.title, "", "\n\n".join(blocks), *([""] if notes else []), *notes])


def _chunks(widths: Sequence[int], room: int) -> Iterator[range]:
    """Columns that stand side by side."""
    start, used = 0, 0
    for number, width in enumerate(widths):
        if number > start and used + width > room:
            yield range(start, number)
            start, used = number, 0
        used += width + len(_GAP)
    yield range(start, len(widths))


def _padded(cells: Sequence[str]) -> list[str]:
    width = max(map(len, cells))
    return [cell.ljust(width) for cell in cells]
