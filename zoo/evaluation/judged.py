"""Verdicts by the answer that they are about; one on another answer is refused. Knows no metric's rule."""

import hashlib
from collections.abc import Iterable

from zoo.errors import BadInput
from zoo.evaluation.metrics import Metric
from zoo.records import Prediction, Verdict

RULES = "rules"
"""In the place of a judge for a metric that needs none."""


class Judged:
    """Verdicts by the answer that they are about."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self._found = {
            (v.task, v.judge, v.dataset, v.split, v.question_id, v.adapter, v.shown): v for v in verdicts
        }

    def judges(self, metric: Metric) -> list[str]:
        """Who was asked what the metric needs; `rules` for a rule."""
        if metric.task is None:
            return [RULES]
        return list(dict.fromkeys(key[1] for key in self._found if key[0] == metric.task))

    def on(self, metric: Metric, judge: str, p: Prediction) -> Verdict | None:
        """What the judge said of that answer; None for a rule."""
        if metric.task is None:
            return None
        found = self._found.get((metric.task, judge, p.dataset, p.split, p.question_id, p.adapter, p.shown))
        if found is None:
            raise BadInput(
                f"{judge} has not judged {p.adapter}'s answer to {p.question_id}", hint="medzoo judge --help"
            )
        if found.answer_sha256 != hashlib.sha256(p.answer.encode()).hexdigest():
            raise BadInput(
                f"{judge}'s verdict on {p.adapter}'s answer to {p.question_id} is on another answer",
                hint="judge these answers, or give the predictions that were judged",
            )
        return found
