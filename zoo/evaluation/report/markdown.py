"""Tables, and pictures by their files' names, as Markdown."""

from collections.abc import Mapping, Sequence

from zoo.evaluation.report.table import Table
from zoo.notice import NOTICE

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#~$"} | {"\n": " "})


def as_markdown(
    tables: Sequence[Table], *, title: str = "Evaluation", pictures: Mapping[str, str] | None = None
) -> str:
    """A document of the notice, the tables and the pictures (name of the file: what it shows)."""
    parts = [f"# {_plain(title)}", f"> {NOTICE}"]
    for table in tables:
        parts += [f"## {_plain(table.title)}", _table(table)]
        if table.notes:
            parts.append("\n".join(f"- {_plain(note)}" for note in table.notes))
    if pictures:
        parts += ["## Pictures", *(f"![{_plain(shows)}]({file})" for file, shows in pictures.items())]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    head = ["adapter", *map(str, table.columns)]
    rows = [[row.name, *map(str, row.cells)] for row in table.rows]
    lines = [f"| {' | '.join(map(_plain, cells))} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" + "|---:" * len(table.columns) + "|", *lines[1:]])


def _plain(text: str) -> str:
    """A text as it is, without what Markdown would read in it."""
    return text.translate(_SPECIAL)
