"""One table as four kinds of text, and a score as a row for spreadsheets: whole expected texts."""

import csv
import io
import shutil
import subprocess
from pathlib import Path

import pytest

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.metrics import get_metric
from zoo.evaluation.report.figures import counted, difference_cell, figure, value_cell
from zoo.evaluation.report.latex import as_latex, escaped
from zoo.evaluation.report.markdown import as_markdown
from zoo.evaluation.report.spreadsheet import COLUMNS, as_csv
from zoo.evaluation.report.table import DASH, Cell, Column, Row, Table
from zoo.evaluation.report.terminal import as_text
from zoo.evaluation.score import Difference, Score
from zoo.notice import NOTICE

TABLE = Table(
    title="50 % of_it",
    columns=(
        Column(group="SLAKE", name="open, %", n="n 60"),
        Column(group="SLAKE", name="closed, %", n="n 40"),
        Column(group="", name="GREEN", n="n 5"),
    ),
    rows=(
        Row("base", (Cell("62.0", "58.1 to 65.9"), Cell("50.0", "44.0 to 56.0"), Cell(DASH))),
        Row("acme/a_b", (Cell("+3.2†", "+0.1 to +6.2"), Cell("no difference", "-1.0 to +1.0"), Cell(DASH))),
    ),
    notes=("Leak: 3 & more.",),
)


def score(**more: object) -> Score:
    known = {
        "adapter": "acme/a",
        "variant": "a",
        "base": "phantom@0",
        "metric": "accuracy",
        "dataset": "phantom",
        "split": "test",
        "subset": "all",
        "shown": "own",
        "judge": "rules",
        "interval": Interval(0.714, 0.68, 0.7449, 500),
        "images": 200,
    }
    return Score(**(known | more))  # type: ignore[arg-type]


def test_text_has_groups_names_and_counts_above_the_figures() -> None:
    assert as_text([TABLE]).splitlines() == [
        "50 % of_it",
        "",
        "          SLAKE",
        "          open, %               closed, %                     GREEN",
        "          n 60                  n 40                          n 5",
        "base      62.0 (58.1 to 65.9)   50.0 (44.0 to 56.0)           –",
        "acme/a_b  +3.2† (+0.1 to +6.2)  no difference (-1.0 to +1.0)  –",
        "",
        "Leak: 3 & more.",
    ]


def test_text_that_is_too_wide_goes_on_below_with_names_and_groups_again() -> None:
    lines = as_text([TABLE], width=62).splitlines()
    assert max(map(len, lines)) <= 62
    assert lines[2:] == [
        "          SLAKE",
        "          open, %               closed, %",
        "          n 60                  n 40",
        "base      62.0 (58.1 to 65.9)   50.0 (44.0 to 56.0)",
        "acme/a_b  +3.2† (+0.1 to +6.2)  no difference (-1.0 to +1.0)",
        "",
        "          GREEN",
        "          n 5",
        "base      –",
        "acme/a_b  –",
        "",
        "Leak: 3 & more.",
    ]


def test_markdown_shows_names_as_they_are_and_pictures_by_their_files() -> None:
    assert as_markdown([TABLE], pictures={"forest.png": "differences"}) == (
        "# Evaluation\n\n"
        f"> {NOTICE}\n\n"
        "## 50 % of\\_it\n\n"
        "| adapter | SLAKE open, % (n 60) | SLAKE closed, % (n 40) | GREEN (n 5) |\n"
        "|---|---:|---:|---:|\n"
        "| base | 62.0 (58.1 to 65.9) | 50.0 (44.0 to 56.0) | – |\n"
        "| acme/a\\_b | +3.2† (+0.1 to +6.2) | no difference (-1.0 to +1.0) | – |\n\n"
        "- Leak: 3 & more.\n\n"
        "## Pictures\n\n"
        "![differences](forest.png)\n"
    )


def test_latex_has_rules_of_booktabs_and_every_special_character_escaped() -> None:
    assert as_latex([TABLE]) == (
        f"% {NOTICE}\n"
        "% needs \\usepackage{booktabs,graphicx}\n\n"
        "\\begin{table}\n"
        "\\centering\\footnotesize\n"
        "\\caption{50 \\% of\\_it. Leak: 3 \\& more.}\n"
        "\\begin{tabular}{lrrr}\n"
        "\\toprule\n"
        " & \\multicolumn{2}{c}{SLAKE} & \\multicolumn{1}{c}{} \\\\\n"
        "\\cmidrule(lr){2-3}\n"
        "adapter & open, \\% & closed, \\% & GREEN \\\\\n"
        " & {\\scriptsize n 60} & {\\scriptsize n 40} & {\\scriptsize n 5} \\\\\n"
        "\\midrule\n"
        "base & 62.0 {\\scriptsize (58.1 to 65.9)} & 50.0 {\\scriptsize (44.0 to 56.0)} & -- \\\\\n"
        "acme/a\\_b & +3.2$^{\\dagger}$ {\\scriptsize (+0.1 to +6.2)} & no difference "
        "{\\scriptsize (-1.0 to +1.0)} & -- \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\end{table}\n"
    )
    assert escaped("a^b~\\input{x} 漢é") == (
        "a\\textasciicircum{}b\\textasciitilde{}\\textbackslash{}input\\{x\\} ?é"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_every_printable_character(tmp_path: Path) -> None:
    every = "".join(map(chr, range(32, 127)))
    wide = Table(
        title=every,
        columns=tuple(Column(group=f"g{n // 2}", name=every[:20], n="n 3") for n in range(6)),
        rows=(Row(every + "é漢†–", (Cell("71.2†", "68.0 to 74.1"),) * 6),),
        notes=(every,),
    )
    (tmp_path / "tables.tex").write_text(as_latex([TABLE, wide]), encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,graphicx}\n"
        "\\begin{document}\\input{tables}\\end{document}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "(1 page" in done.stdout


def test_csv_has_a_row_a_score_unrounded_and_nothing_that_a_spreadsheet_would_run() -> None:
    lost = Difference(0.1 + 0.2, -0.1, 0.5, 90, p=0.01, adjusted_p=0.04, family=3)
    first, second = csv.DictReader(
        io.StringIO(as_csv([score(base_value=0.5, lost=lost), score(adapter="=cmd()", subset="SLC")]))
    )
    assert tuple(first) == COLUMNS
    filled = {name: value for name, value in first.items() if value}
    assert filled == {
        "adapter": "acme/a",
        "variant": "a",
        "base": "phantom@0",
        "metric": "accuracy",
        "dataset": "phantom",
        "split": "test",
        "subset": "all",
        "shown": "own",
        "judge": "rules",
        "value": "0.714",
        "low": "0.68",
        "high": "0.7449",
        "n": "500",
        "images": "200",
        "failed": "0",
        "seeds": "1",
        "base_value": "0.5",
        "lost_value": "0.30000000000000004",
        "lost_low": "-0.1",
        "lost_high": "0.5",
        "lost_n": "90",
        "lost_p": "0.01",
        "lost_adjusted_p": "0.04",
    }
    assert (second["adapter"], second["subset"]) == ("'=cmd()", "SLC")


@pytest.mark.parametrize(
    ("low", "value", "high", "adjusted_p", "expected"),
    [
        (0.011, 0.032, 0.052, 0.01, "+3.2 (+1.1 to +5.2)"),
        (-0.052, -0.032, -0.011, 0.049, "-3.2 (-5.2 to -1.1)"),
        (0.011, 0.032, 0.052, 0.05, "+3.2† (+1.1 to +5.2)"),
        (-0.0004, 0.032, 0.052, 0.01, "no difference (+0.0 to +5.2)"),  # the interval holds zero, barely
    ],
)
def test_a_difference_is_one_only_where_the_interval_and_the_correction_leave_it(
    low: float, value: float, high: float, adjusted_p: float, expected: str
) -> None:
    found = Difference(value, low, high, 100, p=0.001, adjusted_p=adjusted_p)
    assert str(difference_cell(found, get_metric("accuracy"))) == expected


def test_figures_of_shares_are_percent_and_others_are_not() -> None:
    accuracy, relevance = get_metric("accuracy"), get_metric("clinical_relevance")
    assert str(value_cell(score(), accuracy)) == "71.4 (68.0 to 74.5)"
    assert str(value_cell(score(seeds=3, seed_sd=0.012), accuracy)) == (
        "71.4 (68.0 to 74.5; sd 1.2 over 3 seeds)"
    )
    assert str(value_cell(score(), relevance)) == "0.71 (0.68 to 0.74)"
    assert str(value_cell(None, accuracy)) == DASH
    assert (figure(-0.0001, accuracy, signed=True), figure(-0.0001, accuracy)) == ("+0.0", "0.0")
    assert (counted([]), counted([5, 5]), counted([500, 496])) == ("", "n 5", "n 496-500")
