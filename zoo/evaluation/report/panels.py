"""Chosen scores as tables of one shape: the values, then what they are over the base, then over SFT."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from zoo.evaluation.correction import MARK
from zoo.evaluation.metrics import Metric
from zoo.evaluation.report.figures import counted, difference_cell, survives, unit, value_cell
from zoo.evaluation.report.scored import Scored
from zoo.evaluation.report.table import DASH, Cell, Column, Row, Table
from zoo.evaluation.score import Difference, Score
from zoo.evaluation.table import unread_lines
from zoo.records import BASE

Role = Literal["value", "over_base", "over_sft"]

INTERVALS = "Intervals are 95 % percentile bootstrap over images."
PAIRED = "Differences are paired by question, in points where the score is in percent."
_MARKED = (
    f"{MARK}: the interval leaves out zero, but after Holm's correction for all comparisons of that metric "
    "on that benchmark it is no longer a difference."
)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The scores of one column, by adapter."""

    group: str = ""
    name: str
    metric: Metric
    scores: Mapping[str, Score]


def panels(
    title: str,
    columns: Sequence[Chosen],
    scored: Scored,
    notes: Sequence[str] = (),
    roles: Sequence[Role] = ("value", "over_base", "over_sft"),
) -> list[Table]:
    """A table for each role that has any figure; `notes` and what could not be read stand under the first."""
    found = [table for role in roles if (table := _panel(title, columns, scored, role)) is not None]
    if not found:
        return []
    first = found[0]
    said = (*first.notes, *_unread(columns, scored), *notes)
    return [
        Table(title=first.title, columns=first.columns, rows=first.rows, notes=tuple(dict.fromkeys(said))),
        *found[1:],
    ]


def _panel(title: str, columns: Sequence[Chosen], scored: Scored, role: Role) -> Table | None:
    rows = []
    for adapter in scored.adapters:
        cells = tuple(_cell(column.scores.get(adapter), column.metric, role) for column in columns)
        if any(cell.figure != DASH for cell in cells):
            rows.append(Row(scored.label(adapter), cells))
    if not rows:
        return None
    heads = tuple(
        Column(
            group=column.group,
            name=column.name + unit(column.metric),
            n=counted(n for score in column.scores.values() if (n := _n(score, role))),
        )
        for column in columns
    )
    if role == "value":
        return Table(title=title, columns=heads, rows=tuple(rows), notes=(INTERVALS,))
    over = BASE if role == "over_base" else f"SFT ({scored.sft})"
    return Table(
        title=f"{title}: over {over}",
        columns=heads,
        rows=tuple(rows),
        notes=(PAIRED, *marks(difference(s, role) for column in columns for s in column.scores.values())),
    )


def marks(differences: Iterable[Difference | None]) -> tuple[str, ...]:
    """What the mark means, if any of the differences has it."""
    marked = any(d is not None and not d.holds_zero and not survives(d) for d in differences)
    return (_MARKED,) if marked else ()


def difference(score: Score, role: Role) -> Difference | None:
    """What a score is over the base or over SFT."""
    return score.over_base if role == "over_base" else score.over_sft


def _cell(score: Score | None, metric: Metric, role: Role) -> Cell:
    if role == "value" or score is None:
        return value_cell(score, metric)
    return difference_cell(difference(score, role), metric)


def _n(score: Score, role: Role) -> int:
    """Questions that a figure rests on; 0 where there is none."""
    found = score.interval if role == "value" else difference(score, role)
    return 0 if found is None else found.n


def _unread(columns: Sequence[Chosen], scored: Scored) -> list[str]:
    names = {column.metric.name for column in columns}
    wheres = {(score.dataset, score.split) for column in columns for score in column.scores.values()}
    here = [p for p in scored.predictions if (p.dataset, p.split) in wheres]
    return unread_lines(here, scored.verdicts, names) + [
        f"{score.judge} gave no reply that could be read on {score.failed} answers of "
        f"{scored.label(score.adapter)}: left out."
        for column in columns
        for score in column.scores.values()
        if score.failed
    ]
