"""Scores as CSV, a row each, for spreadsheets and statistics: shares as they are, nothing rounded."""

import csv
import io
from collections.abc import Iterable
from dataclasses import fields

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.score import Difference, Score

_DIFFERENCE = ("value", "low", "high", "n", "p", "adjusted_p")
_INTERVAL = ("value", "low", "high", "n")
_NESTED = {"interval": _INTERVAL, "over_base": _DIFFERENCE, "over_sft": _DIFFERENCE, "lost": _DIFFERENCE}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet would run."""


def as_csv(scores: Iterable[Score]) -> str:
    """A line of names and a line a score; what a score does not have is empty."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for score in scores:
        lines.writerow([cell for field in fields(Score) for cell in _cells(score, field.name)])
    return out.getvalue()


def _names(field: str) -> list[str]:
    if field == "interval":
        return list(_INTERVAL)
    return [f"{field}_{part}" for part in _NESTED[field]] if field in _NESTED else [field]


COLUMNS = tuple(name for field in fields(Score) for name in _names(field.name))


def _cells(score: Score, field: str) -> list[object]:
    value: object = getattr(score, field)
    if field in _NESTED:
        assert value is None or isinstance(value, Interval | Difference)
        return [None if value is None else getattr(value, part) for part in _NESTED[field]]
    if isinstance(value, str) and value.startswith(_FORMULA):
        return ["'" + value]
    return [value]
