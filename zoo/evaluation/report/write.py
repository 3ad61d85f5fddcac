"""A report as a text to print, and as a folder of texts and pictures."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from zoo.evaluation.report.latex import as_latex
from zoo.evaluation.report.layouts import Layout
from zoo.evaluation.report.markdown import as_markdown
from zoo.evaluation.report.papers import paper_tables
from zoo.evaluation.report.pictures import draw, need_matplotlib
from zoo.evaluation.report.scored import Scored
from zoo.evaluation.report.spreadsheet import as_csv
from zoo.evaluation.report.table import Table
from zoo.evaluation.report.terminal import as_text
from zoo.evaluation.report.usual import usual_tables
from zoo.notice import NOTICE

Format = Literal["terminal", "markdown", "csv", "latex"]
MARKDOWN_NAME, LATEX_NAME, CSV_NAME = "report.md", "report.tex", "scores.csv"


def tables(scored: Sequence[Scored], layout: Layout | None) -> list[Table]:
    """A paper's tables, or the usual ones without a layout, of one base after another."""
    return [
        table
        for of_base in scored
        for table in (usual_tables(of_base) if layout is None else paper_tables(layout, of_base))
    ]


def _csv(scored: Sequence[Scored]) -> str:
    return as_csv(score for of_base in scored for score in of_base.scores)


def as_format(scored: Sequence[Scored], layout: Layout | None, form: Format, *, width: int = 110) -> str:
    """The report as one text; as CSV it is the scores, whatever the layout."""
    if form == "csv":
        return _csv(scored)
    found = tables(scored, layout)
    if form == "markdown":
        return as_markdown(found)
    if form == "latex":
        return as_latex(found)
    return f"{as_text(found, width=width)}\n\n{NOTICE}\n"


def write_report(
    scored: Sequence[Scored], layout: Layout | None, folder: Path, *, logs: Sequence[Path] = ()
) -> list[Path]:
    """Write the tables as Markdown and LaTeX, all scores as CSV, and the pictures; what is there is replaced.

    Raises:
        BadInput: matplotlib is not installed, or a folder in `logs` holds no log.
    """
    need_matplotlib()
    found = tables(scored, layout)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(scored, folder, logs=logs)
    texts = {
        MARKDOWN_NAME: as_markdown(found, pictures=pictures),
        LATEX_NAME: as_latex(found),
        CSV_NAME: _csv(scored),
    }
    for name, text in texts.items():
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, folder / name)
    return [folder / name for name in (*texts, *pictures)]
