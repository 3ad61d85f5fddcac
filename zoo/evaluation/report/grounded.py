"""What attention on findings comes to: means by layer with intervals, paired differences from the base."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from zoo.evaluation.bootstrap import Floats, Interval, Resamples, Sample
from zoo.evaluation.correction import MARK, holm
from zoo.evaluation.ground import Grounding
from zoo.evaluation.report.figures import survives
from zoo.evaluation.report.panels import INTERVALS
from zoo.evaluation.report.table import NO_DIFFERENCE, Cell, Column, Row, Table
from zoo.evaluation.score import Difference
from zoo.records import BASE

MEASURES = {
    "ratio": "attention ratio on the finding (1 is chance, more is better)",
    "kl": "KL of attention from the finding, nats (less is better)",
    "js": "JS divergence of attention from the finding, nats (less is better)",
}
MEAN = "mean"
_MARKED = f"{MARK}: no longer a difference after Holm's correction for all of this table."


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One measure of one adapter in one layer."""

    adapter: str
    layer: str
    """From 0, or `mean` of all layers."""
    interval: Interval
    over_base: Difference | None
    """None for the base."""


def summed_up(rows: Sequence[Grounding], measure: str) -> list[Looked]:
    """Each adapter's mean in each layer and over all of them, the base first, on the same questions."""
    by: dict[str, Floats] = {}
    for adapter in dict.fromkeys(row.adapter for row in rows):
        values = np.array([getattr(row, measure) for row in rows if row.adapter == adapter])
        by[adapter] = np.hstack([values.mean(axis=1, keepdims=True), values])
    resamples = Resamples([row.images for row in rows if row.adapter == BASE])
    found: list[Looked] = []
    for adapter, values in by.items():
        own, over = _samples(resamples, values), _samples(resamples, values - by[BASE])
        for number, (sample, difference) in enumerate(zip(own, over, strict=True)):
            layer = str(number - 1) if number else MEAN
            between = None if adapter == BASE else _difference(difference)
            found.append(Looked(adapter=adapter, layer=layer, interval=sample.interval, over_base=between))
    return _corrected(found)


def grounding_tables(rows: Sequence[Grounding], notes: Sequence[str] = ()) -> list[Table]:
    """For each measure the values, and what they are over the base's."""
    found = []
    for measure, title in MEASURES.items():
        looked = summed_up(rows, measure)
        layers = list(dict.fromkeys(one.layer for one in looked))
        n = f"n {looked[0].interval.n}"
        columns = tuple(Column(name=layer if layer == MEAN else f"layer {layer}", n=n) for layer in layers)
        values = _rows(looked, lambda one: Cell(_number(one.interval.value), _bounds(one.interval)))
        images = len({row.images for row in rows})
        said = (INTERVALS, f"{looked[0].interval.n} questions about {images} images.", *notes)
        found.append(
            Table(
                title=title, columns=columns, rows=values, notes=said if measure == "ratio" else (INTERVALS,)
            )
        )
        over = [one for one in looked if one.over_base is not None]
        if over:
            marked = any(MARK in _over(one).figure for one in over)
            found.append(
                Table(
                    title=f"{title}: over base",
                    columns=columns,
                    rows=_rows(over, _over),
                    notes=("Differences are paired by question.", *([_MARKED] if marked else [])),
                )
            )
    return found


def _samples(resamples: Resamples, values: Floats) -> list[Sample]:
    """The means of the columns of (questions, k)."""
    sums = resamples.sums(np.hstack([values, np.ones((len(values), 1))]))
    draws = sums[:, :-1] / sums[:, -1:]
    return [
        Sample(float(values[:, column].mean()), draws[:, column], len(values))
        for column in range(values.shape[1])
    ]


def _difference(sample: Sample) -> Difference:
    i = sample.interval
    return Difference(i.value, i.low, i.high, i.n, p=sample.p, adjusted_p=sample.p)


def _corrected(looked: Sequence[Looked]) -> list[Looked]:
    """With the p-values of all differences corrected together."""
    adjusted = iter(holm([one.over_base.p for one in looked if one.over_base is not None]))
    return [
        one
        if one.over_base is None
        else replace(one, over_base=replace(one.over_base, adjusted_p=next(adjusted)))
        for one in looked
    ]


def _rows(looked: Sequence[Looked], cell: Callable[[Looked], Cell]) -> tuple[Row, ...]:
    names = dict.fromkeys(one.adapter for one in looked)
    return tuple(Row(name, tuple(cell(one) for one in looked if one.adapter == name)) for name in names)


def _over(one: Looked) -> Cell:
    found = one.over_base
    assert found is not None
    if found.holds_zero:
        return Cell(NO_DIFFERENCE, _bounds(found, signed=True))
    mark = "" if survives(found) else MARK
    return Cell(_number(found.value, signed=True) + mark, _bounds(found, signed=True))


def _number(value: float, *, signed: bool = False) -> str:
    return f"{round(value, 3) + 0.0:{'+' if signed else ''}.3f}"  # + 0.0: never -0.000


def _bounds(interval: Interval, *, signed: bool = False) -> str:
    return f"{_number(interval.low, signed=signed)} to {_number(interval.high, signed=signed)}"
