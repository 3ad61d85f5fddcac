"""Scores as the figures of a table: values, differences or the words for none, and how many questions.

Shares are in percent and differences of them in points, with one digit; other values have two.
"""

from collections.abc import Iterable

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.correction import MARK, stands
from zoo.evaluation.metrics import Metric
from zoo.evaluation.report.table import DASH, NO_DIFFERENCE, Cell
from zoo.evaluation.score import Difference, Score


def figure(value: float, metric: Metric, *, signed: bool = False) -> str:
    """`0.714` of a share as `71.4`, a difference with its sign."""
    digits, shown = (1, 100 * value) if metric.percent else (2, value)
    return f"{round(shown, digits) + 0.0:{'+' if signed else ''}.{digits}f}"  # + 0.0: never -0.0


def value_cell(score: Score | None, metric: Metric) -> Cell:
    """A score with its interval, and where seeds were pooled their standard deviation."""
    if score is None:
        return Cell(DASH)
    aside = _bounds(score.interval, metric)
    if score.seed_sd is not None:
        aside += f"; sd {figure(score.seed_sd, metric)} over {score.seeds} seeds"
    return Cell(figure(score.interval.value, metric), aside)


def difference_cell(difference: Difference | None, metric: Metric) -> Cell:
    """A difference with its interval, or `no difference`; marked if the correction leaves nothing of it."""
    if difference is None:
        return Cell(DASH)
    bounds = _bounds(difference, metric, signed=True)
    if difference.holds_zero:
        return Cell(NO_DIFFERENCE, bounds)
    return Cell(
        figure(difference.value, metric, signed=True) + ("" if survives(difference) else MARK), bounds
    )


def survives(difference: Difference) -> bool:
    """Whether it is still a difference after the correction for many comparisons."""
    return not difference.holds_zero and stands(difference.adjusted_p)


def unit(metric: Metric) -> str:
    """What is said behind a metric's name: whether it is in percent, and whether less of it is better."""
    return (", %" if metric.percent else "") + (", less is better" if metric.better < 0 else "")


def counted(counts: Iterable[int]) -> str:
    """How many questions figures rest on: `n 500`, or `n 496-500`."""
    found = sorted(set(counts))
    if not found:
        return ""
    return f"n {found[0]}" if len(found) == 1 else f"n {found[0]}-{found[-1]}"


def _bounds(interval: Interval, metric: Metric, *, signed: bool = False) -> str:
    low, high = (figure(bound, metric, signed=signed) for bound in (interval.low, interval.high))
    return f"{low} to {high}"
