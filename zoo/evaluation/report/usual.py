"""The usual tables: for each benchmark every metric, the first one by subset, and what the image matters."""

from collections.abc import Iterable, Sequence
from typing import get_args

from zoo.errors import BadInput
from zoo.evaluation.answers import Where
from zoo.evaluation.metrics import Metric, get_metric
from zoo.evaluation.report.figures import counted, difference_cell, figure, unit, value_cell
from zoo.evaluation.report.panels import INTERVALS, PAIRED, Chosen, marks, panels
from zoo.evaluation.report.scored import Scored
from zoo.evaluation.report.table import Cell, Column, Row, Table
from zoo.evaluation.score import MACRO, MICRO, WHOLE, Score
from zoo.evaluation.table import cut_lines
from zoo.records import RULES, AnswerType, ErrorType, Shown

NO_SFT = "No SFT adapter is among them, so nothing here says what preference adds to imitation."
_OVER_ALL = {
    MICRO: "All benchmarks, questions pooled (micro)",
    MACRO: "All benchmarks, mean of the data sets' scores (macro)",
}
ERROR_TYPES: dict[ErrorType, str] = {
    "MM": "modality",
    "AM": "anatomy",
    "SLC": "side and place",
    "LAS": "specificity",
}
"""What an error in the answer would be about; a question may count in several."""
SHOWN: dict[Shown, str] = {"own": "own image", "noise": "noise", "other": "another patient's image"}


def usual_tables(scored: Scored) -> list[Table]:
    """All of them, benchmark by benchmark.

    Raises:
        BadInput: all answers are of an image ablation, and there is nothing to hold them against.
    """
    found: list[Table] = []
    for where in benchmarks_of(scored):
        scores = [s for s in scored.scores if (s.dataset, s.split) == where]
        own = [s for s in scores if s.shown == "own"]
        title, notes = scored.title(title_of(where)), list(scored.made.get(where, ()))
        if scored.sft is None and len(scored.adapters) > 1:
            notes.append(NO_SFT)
        notes += cut_lines([p for p in scored.predictions if (p.dataset, p.split) == where])
        if len(kinds(own)) > 1:
            notes.append(
                f"By subset and with other images: {metric_label(*kinds(own)[0])}; the others as CSV."
            )
        found += panels(title, _by_metric(own), scored, notes)
        found += _by_subset(title, own, scored)
        found += _ablation(title, scores, scored)
    if not found:
        raise BadInput("no question was answered with its own image", hint="medzoo report --format csv")
    return found


def benchmarks_of(scored: Scored) -> list[Where]:
    """Data set and split of every benchmark, those over all of them last."""
    found = dict.fromkeys((s.dataset, s.split) for s in scored.scores)
    return sorted(found, key=lambda where: where[0] in _OVER_ALL)


def title_of(where: Where) -> str:
    """A benchmark's name for people."""
    return _OVER_ALL.get(where[0]) or "/".join(where)


def metric_label(metric: Metric, judge: str) -> str:
    """A metric's name, with its judge if it needs one."""
    return metric.name + ("" if judge == RULES else f" by {judge}")


def kinds(scores: Iterable[Score]) -> list[tuple[Metric, str]]:
    """The metrics of some scores, each with each of its judges."""
    return [(get_metric(name), judge) for name, judge in dict.fromkeys((s.metric, s.judge) for s in scores)]


def _by_metric(own: Sequence[Score]) -> list[Chosen]:
    return [
        Chosen(
            name=metric_label(metric, judge),
            metric=metric,
            scores={
                s.adapter: s for s in own if (s.metric, s.judge, s.subset) == (metric.name, judge, WHOLE)
            },
        )
        for metric, judge in kinds(own)
    ]


def _by_subset(title: str, own: Sequence[Score], scored: Scored) -> list[Table]:
    """The first metric by answer type, question type and error type, a table each where there are several."""
    if not own:
        return []
    metric, judge = kinds(own)[0]
    of_metric = [s for s in own if (s.metric, s.judge) == (metric.name, judge) and s.subset != WHOLE]
    found = []
    here = dict.fromkeys(s.subset for s in of_metric)
    named = {"answer type": get_args(AnswerType), "error type": get_args(ErrorType)}
    others = sorted(here.keys() - {subset for of_kind in named.values() for subset in of_kind})
    for kind, of_kind in (named | {"question type": others}).items():
        subsets = [subset for subset in of_kind if subset in here]
        columns = [
            Chosen(
                name=subset,
                metric=metric,
                scores={s.adapter: s for s in of_metric if s.subset == subset},
            )
            for subset in subsets
        ]
        if len(columns) > 1 or (columns and kind == "error type"):
            label = metric_label(metric, judge)
            notes = [explained(subsets)] if kind == "error type" else []
            found += panels(f"{title}: {label} by {kind}", columns, scored, notes, roles=("value",))
    return found


def explained(subsets: Iterable[str]) -> str:
    """What the short names of error types among some subsets mean; empty where there are none."""
    there = set(subsets)
    said = ", ".join(f"{name} {about}" for name, about in ERROR_TYPES.items() if name in there)
    return f"What an error would be about: {said}. A question may count in several." if said else ""


def _ablation(title: str, scores: Sequence[Score], scored: Scored) -> list[Table]:
    """The first metric with other images in place of the own ones, and what is lost by it."""
    metric, judge = kinds(scores)[0]
    whole = [s for s in scores if (s.metric, s.judge, s.subset) == (metric.name, judge, WHOLE)]
    found = []
    for kind in [kind for kind in SHOWN if any(s.shown == kind and s.lost is not None for s in whole)]:
        by = {s.adapter: s for s in whole if s.shown == kind}
        n = counted(s.interval.n for s in by.values())
        heads = ("own image" + unit(metric), SHOWN[kind] + unit(metric), "lost")
        rows = []
        for adapter in scored.adapters:
            score = by.get(adapter)
            if score is not None and score.own_value is not None:
                own = Cell(figure(score.own_value, metric))
                cells = (own, value_cell(score, metric), difference_cell(score.lost, metric))
                rows.append(Row(scored.label(adapter), cells))
        found.append(
            Table(
                title=f"{title}: {metric_label(metric, judge)} with {SHOWN[kind]} in the image's place",
                columns=tuple(Column(name=name, n=n) for name in heads),
                rows=tuple(rows),
                notes=(
                    f"{INTERVALS} {PAIRED} Where nothing is lost, the image was not read.",
                    *marks(score.lost for score in by.values()),
                ),
            )
        )
    return found
