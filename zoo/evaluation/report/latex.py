"""Tables as LaTeX, for `\\input` into a paper that loads booktabs and graphicx."""

import unicodedata
from collections.abc import Sequence
from itertools import groupby

from zoo.evaluation.correction import MARK
from zoo.evaluation.report.table import DASH, Cell, Column, Table
from zoo.notice import NOTICE

PACKAGES = ("booktabs", "graphicx")
_WIDE = 3
"""Tables of more columns are made as wide as the text."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    DASH: "--",
    MARK: r"$^{\dagger}$",
    "\n": " ",
}


def as_latex(tables: Sequence[Table]) -> str:
    """The tables as floats, and the notice on top as a remark."""
    needs = f"% {NOTICE}\n% needs \\usepackage{{{','.join(PACKAGES)}}}"
    return "\n\n".join([needs, *map(_table, tables)]) + "\n"


def escaped(text: str) -> str:
    """A text that LaTeX prints as it is; a letter of no Latin script becomes a question mark."""
    return "".join(_SPECIAL.get(c) or _printable(c) for c in text)


def _table(table: Table) -> str:
    head = [f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    if any(column.group for column in table.columns):
        head += _groups(table.columns)
    head += [
        _line("adapter", *(escaped(column.name) for column in table.columns)),
        _line("", *(f"{{\\scriptsize {escaped(column.n)}}}" for column in table.columns)),
        r"\midrule",
    ]
    rows = [_line(escaped(row.name), *map(_cell, row.cells)) for row in table.rows]
    body = [*head, *rows, r"\bottomrule", r"\end{tabular}"]
    if len(table.columns) > _WIDE:
        body = [r"\resizebox{\linewidth}{!}{%", *body[:-1], body[-1] + "}"]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize",
            f"\\caption{{{escaped(table.title)}. {escaped(' '.join(table.notes))}}}",
            *body,
            r"\end{table}",
        ]
    )


def _groups(columns: Sequence[Column]) -> list[str]:
    """The line above the columns' names, and a rule under each group."""
    cells, rules, at = [""], [], 2
    for group, of_group in groupby(columns, key=lambda column: column.group):
        span = len(list(of_group))
        cells.append(f"\\multicolumn{{{span}}}{{c}}{{{escaped(group)}}}")
        if group:
            rules.append(f"\\cmidrule(lr){{{at}-{at + span - 1}}}")
        at += span
    return [_line(*cells), "".join(rules)]


def _line(*cells: str) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    aside = f" {{\\scriptsize ({escaped(cell.aside)})}}" if cell.aside else ""
    return escaped(cell.figure) + aside


def _printable(c: str) -> str:
    if c.isascii():
        return c if c.isprintable() else " "
    return c if "LATIN" in unicodedata.name(c, "") else "?"
