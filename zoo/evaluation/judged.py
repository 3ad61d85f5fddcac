"""Verdicts by the answer that they are about; one on another answer is refused. Knows no metric's rule."""

from collections.abc import Iterable

from zoo.errors import BadInput
from zoo.evaluation.answers import Where
from zoo.evaluation.metrics import Metric
from zoo.records import RULES, Prediction, Shown, Verdict

_JUDGE_THESE = "judge these answers, or give the predictions that were judged"


class Judged:
    """Verdicts by the answer that they are about."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        """A verdict may stand there twice.

        Raises:
            BadInput: a judge says two things of one answer.
        """
        self._on: dict[tuple[str, ...], dict[str, Verdict]] = {}
        self._judges: dict[tuple[str, Where, Shown], dict[str, None]] = {}
        for v in verdicts:
            key = (v.task, v.judge, v.dataset, v.split, v.question_id, v.adapter, v.shown)
            if self._on.setdefault(key, {}).setdefault(v.answer_sha256, v) != v:
                raise BadInput(
                    f"{v.judge} says two things of {v.adapter}'s answer to {v.question_id} ({v.task})",
                    hint="leave one of the verdict files out",
                )
            self._judges.setdefault((v.task, (v.dataset, v.split), v.shown), {})[v.judge] = None

    def judges(self, metric: Metric, where: Where, shown: Shown) -> list[str]:
        """Who was asked what the metric needs about answers to that benchmark; `rules` for a rule."""
        if metric.task is None:
            return [RULES]
        return list(self._judges.get((metric.task, where, shown), ()))

    def on(self, metric: Metric, judge: str, p: Prediction) -> Verdict | None:
        """What the judge said of that answer; None for a rule.

        Raises:
            BadInput: nothing, or of another answer only, or beside another question.
        """
        if metric.task is None:
            return None
        found = self._on.get((metric.task, judge, p.dataset, p.split, p.question_id, p.adapter, p.shown))
        if found is None:
            raise BadInput(
                f"{judge} has not judged {p.adapter}'s answer to {p.question_id}", hint="medzoo judge --help"
            )
        verdict = found.get(p.answer_sha256)
        if verdict is None:
            raise BadInput(
                f"{judge}'s verdict on {p.adapter}'s answer to {p.question_id} is on another answer",
                hint=_JUDGE_THESE,
            )
        if verdict.asked_sha256 not in ("", p.asked_sha256):
            raise BadInput(
                f"{judge}'s verdict on {p.adapter}'s answer to {p.question_id} was given beside another "
                "prompt or truth",
                hint=_JUDGE_THESE,
            )
        return verdict
