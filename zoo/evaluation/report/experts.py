"""Ratings of experts as the table of Kim et al. 2026 (arXiv 2601.17918, table 4), a table a data set.

Severities in percent of the judged answers, error types as how many of them have each. Beside each figure
stands its 95 % interval, which the paper does not give.
"""

from collections.abc import Sequence

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.rated import SEVERITIES, in_order, shares, unjudged
from zoo.evaluation.rated_cases import drawn, opinions
from zoo.evaluation.report.table import DASH, Cell, Column, Row, Table
from zoo.records import Rating

_MISREAD, _KINDS = "Image misunderstanding, %", "Error types, answers"
_ORDER = ("MM", "SLC", "AM", "LAS")
"""The paper's."""
NOTE = (
    "MM modality, SLC side and place, AM anatomy, LAS specificity. An answer that several experts rated "
    "counts once, with the mean over those who could judge it; 95 % intervals are over {drawn}, whose "
    "questions are drawn together. Severity and error types count each by itself: an answer without "
    "misunderstanding can have some. The interval of a share of 0 or 100 % has no width: what was not seen "
    "on n questions can still be so of up to 3 in n."
)


def expert_tables(ratings: Sequence[Rating]) -> list[Table]:
    """The table of each data set that the ratings are of."""
    found = []
    for dataset in dict.fromkeys(r.dataset for r in ratings):
        of_one = [r for r in ratings if r.dataset == dataset]
        found.append(expert_table(of_one, title=f"Kim et al. 2026, table 4: {dataset}"))
    return found


def expert_table(ratings: Sequence[Rating], *, title: str) -> Table:
    """One table of all the ratings."""
    by, left_out = shares(ratings), unjudged(ratings)
    rows = tuple(Row(name, _cells(by[name], left_out[name])) for name in in_order(ratings))
    columns = (
        *(Column(group=_MISREAD, name=one.capitalize()) for one in SEVERITIES),
        *(Column(group=_KINDS, name=one) for one in _ORDER),
        *(Column(name=name) for name in ("n", "cannot judge")),
    )
    note = NOTE.format(drawn=drawn(one.unit for one in opinions(ratings)))
    return Table(title=title, columns=columns, rows=rows, notes=(note,))


def _cells(of: dict[str, Interval], left_out: int) -> tuple[Cell, ...]:
    if not of:
        return (*(Cell(DASH) for _ in (*SEVERITIES, *_ORDER)), Cell("0"), Cell(str(left_out)))
    n = of[_ORDER[0]].n
    severities = (Cell(f"{100 * of[one].value:.1f}", _bounds(of[one], 100)) for one in SEVERITIES)
    kinds = (Cell(f"{round(n * of[one].value, 1):g}", _bounds(of[one], n)) for one in _ORDER)
    return (*severities, *kinds, Cell(str(n)), Cell(str(left_out)))


def _bounds(share: Interval, scale: int) -> str:
    return f"{scale * share.low:.1f} to {scale * share.high:.1f}"
