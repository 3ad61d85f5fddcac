"""Completeness and contradiction: which of the truth's atomic facts an answer states, and which it denies.

Kim et al. 2026, appendix B. The judge labels each fact of the truth (`Verdict.facts`, task `facts`) against
the answer, as a JSON list of as many labels: Entailment, Partial Entailment, Neutral or Contradiction. Of
the truth's n facts, completeness is (entailed + half of the partly entailed) / n and contradiction is
contradicted / n, each rounded to four places; then the plain mean over answers. A truth without facts scores
0 in both.

A reply that cannot be read, or has another number of labels, is counted as failed and scores nothing. The
metrics named `released` count as that paper's released code does instead, to compare with its numbers: a
reply that is no bare JSON list scores 0 in both, and of a list what is missing or is no label counts nothing.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Literal

from zoo.evaluation.metrics import Metric, Statistics
from zoo.evaluation.metrics._reply import json_in
from zoo.records import Prediction, Verdict

Label = Literal["entailment", "partial entailment", "neutral", "contradiction"]
LABELS: tuple[Label, ...] = ("entailment", "partial entailment", "neutral", "contradiction")
_NUMBER = re.compile(r"^\s*\d+\.\s*")
_STATED = {"entailment": 1.0, "partial entailment": 0.5}
_DENIED = {"contradiction": 1.0}


def labels(reply: str, *, facts: int) -> list[Label] | None:
    """The labels of a reply about that many facts; None if it is no JSON list of as many labels.

    A number before a label ("2. Neutral") goes, and capitals do not matter.
    """
    found = json_in(reply)
    if not isinstance(found, list) or len(found) != facts:
        return None
    read = [_label(item) for item in found]
    known = [label for label in read if label is not None]
    return known if len(known) == facts else None


def released_labels(reply: str) -> list[Label]:
    """The labels that the released code finds: none in a reply that is no bare JSON list."""
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return []
    return [label for item in found if (label := _label(item))] if isinstance(found, list) else []


def completeness(found: Sequence[Label], *, facts: int) -> float:
    """The share of the facts that the answer states, a partly stated one being half; 4 places."""
    return _share(found, _STATED, facts)


def contradiction(found: Sequence[Label], *, facts: int) -> float:
    """The share of the facts that the answer denies; 4 places."""
    return _share(found, _DENIED, facts)


def _share(found: Sequence[Label], worth: dict[str, float], facts: int) -> float:
    return round(sum(worth.get(label, 0.0) for label in found) / facts, 4) if facts else 0.0


def _label(item: object) -> Label | None:
    said = _NUMBER.sub("", item).strip().lower() if isinstance(item, str) else ""
    return next((label for label in LABELS if label == said), None)


Share = Callable[..., float]


def _strict(share: Share) -> Callable[[Prediction, Verdict | None], Statistics | None]:
    def statistics(prediction: Prediction, verdict: Verdict | None) -> Statistics | None:
        assert verdict is not None
        facts = len(verdict.facts)
        found = labels(verdict.reply, facts=facts) if facts else []
        return None if found is None else (share(found, facts=facts), 1.0)

    return statistics


def _released(share: Share) -> Callable[[Prediction, Verdict | None], Statistics | None]:
    def statistics(prediction: Prediction, verdict: Verdict | None) -> Statistics:
        assert verdict is not None
        return share(released_labels(verdict.reply), facts=len(verdict.facts)), 1.0

    return statistics


def _metric(name: str, share: Share, about: str, better: int, *, released: bool = False) -> Metric:
    return Metric(
        name=name + "_released" * released,
        about=f"{about}, as the released code counts: unreadable replies as 0." if released else f"{about}.",
        source="Kim et al. 2026, arXiv 2601.17918",
        applies=lambda question: question.answer_type != "closed",
        statistics=_released(share) if released else _strict(share),
        task="facts",
        usual=not released,
        better=better,
    )


_COMPLETE = "Share of the truth's facts that the answer states, a partly stated one being half"
_CONTRADICT = "Share of the truth's facts that the answer contradicts"

METRICS = (
    _metric("completeness", completeness, _COMPLETE, 1),
    _metric("contradiction", contradiction, _CONTRADICT, -1),
    _metric("completeness", completeness, _COMPLETE, 1, released=True),
    _metric("contradiction", contradiction, _CONTRADICT, -1, released=True),
)
