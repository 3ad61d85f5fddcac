"""The metrics: one file a family, found by listing this folder; one function each.

A file declares `METRICS = (Metric(...), ...)`; files that begin with `_` are helpers of several. A metric
turns one answer into a few numbers that can be added up over answers; what the sums are worth is `combine`'s
to say. It knows neither other answers nor intervals: those are `zoo.evaluation.score`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from zoo.discovery import declared
from zoo.errors import BadDeclaration, NotInstalled, UnknownName
from zoo.records import Prediction, Task, Verdict

Floats = npt.NDArray[np.float64]
Statistics = tuple[float, ...]


def mean(sums: Floats) -> Floats:
    """The mean of answers whose statistics are (value, 1): sums (..., 2) to (...)."""
    return np.asarray(sums[..., 0] / sums[..., 1])


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A way of scoring answers."""

    name: str
    about: str
    """A sentence for people: what it counts, and by which rule."""
    source: str
    """The paper or library whose formula it is; `ours` for one of the zoo's."""
    applies: Callable[[Prediction], bool]
    """Whether it is for such a question; it must not look at the answer."""
    statistics: Callable[[Prediction, Verdict | None], Statistics | None]
    """What one answer adds to the sums, all of the same length; None if the judge's reply cannot be read."""
    combine: Callable[[Floats], Floats] = mean
    """Sums of statistics over answers, (..., k), to values, (...)."""
    task: Task | None = None
    """What a judge must have been asked; None for a rule."""
    usual: bool = True
    """Whether it is shown unasked; the others only by name."""
    percent: bool = True
    """Whether it is a share, shown in percent."""
    better: int = 1
    """1 if more is better, -1 if less is."""
    needs: str = ""
    """What must be installed for it beyond the zoo itself."""


def of_value(value: Callable[[Prediction], float]) -> Callable[[Prediction, Verdict | None], Statistics]:
    """The statistics of a metric that is the plain mean of a value of each answer."""
    return lambda prediction, verdict: (value(prediction), 1.0)


@cache
def metrics() -> dict[str, Metric]:
    """Every metric of this folder by name: the rules, then those that need a judge.

    Raises:
        BadDeclaration: a file that declares none, or two metrics of one name.
    """
    found: dict[str, Metric] = {}
    for file, of_file in declared(__name__, __path__, "METRICS", tuple).items():
        for metric in of_file:
            if metric.name in found:
                raise BadDeclaration(f"{metric.name} is declared twice, once in {file}.py")
            found[metric.name] = metric
    return dict(sorted(found.items(), key=lambda item: item[1].task is not None))


def left_out(questions: Sequence[Prediction]) -> dict[str, NotInstalled]:
    """The usual metrics for some of the questions whose library is not installed, and what to install."""
    found = {}
    for name, metric in metrics().items():
        one = next((q for q in questions if metric.applies(q)), None)
        if metric.usual and metric.needs and one is not None:
            try:
                metric.statistics(one, None)
            except NotInstalled as error:
                found[name] = error
    return found


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in metrics():
        raise UnknownName("metric", name, metrics())
    return metrics()[name]
