"""Every picture of a report, drawn into a folder: which there are, and under which names."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from zoo.errors import BadInput
from zoo.evaluation.report.scored import Scored
from zoo.evaluation.report.usual import benchmarks_of, kinds, metric_label, title_of
from zoo.evaluation.score import WHOLE
from zoo.records import ErrorType

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def need_matplotlib() -> None:
    """See that pictures can be drawn.

    Raises:
        BadInput: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise BadInput(
            "pictures need matplotlib, which is not here", hint="pip install 'medvlm-zoo[evaluate]'"
        )


def draw(scored: Sequence[Scored], folder: Path, *, logs: Sequence[Path] = ()) -> dict[str, str]:
    """Draw what the scores, and the runs in `logs`, have; return each file's name and what it shows.

    Raises:
        BadInput: a folder in `logs` holds no log.
    """
    from zoo.evaluation.report.bars import ablation_bars, error_bars
    from zoo.evaluation.report.curves import curves
    from zoo.evaluation.report.forest import forest
    from zoo.figures import save

    found: dict[str, str] = {}

    def keep(figure: "Figure", name: str, shows: str) -> None:
        save(figure, folder / name)
        found[name] = shows

    for of_base, where in ((one, where) for one in scored for where in benchmarks_of(one)):
        here = [s for s in of_base.scores if (s.dataset, s.split) == where]
        for number, (metric, judge) in enumerate(kinds(here)):
            scores = [s for s in here if (s.metric, s.judge) == (metric.name, judge)]
            whole = [s for s in scores if s.subset == WHOLE]
            own = [s for s in whole if s.shown == "own"]
            label = metric_label(metric, judge)
            title = of_base.title(f"{title_of(where)}: {label}")
            name = "-".join(filter(None, (of_base.base, *where, label)))
            if any(s.over_base or s.over_sft for s in own):
                shows = f"{title}, paired differences from base and SFT with intervals"
                keep(forest(own, metric, of_base, title=title), _name("differences", name), shows)
            if number:  # the others are in the tables
                continue
            title_of_types = f"{title} by error type"
            types = [s for s in scores if s.subset in get_args(ErrorType) and s.shown == "own"]
            if types:
                drawn = error_bars(types, metric, of_base, title=title_of_types)
                keep(drawn, _name("error-types", name), title_of_types)
            if any(s.own_value is not None for s in whole):
                shows = f"{title} with the question's own image and with others"
                keep(ablation_bars(whole, metric, of_base, title=title), _name("ablation", name), shows)
    if logs:
        keep(curves(logs), "learning-curves.png", "Learning curves")
    return found


def _name(kind: str, name: str) -> str:
    """A file's name of letters, digits and hyphens."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in f"{kind}-{name}") + ".png"
