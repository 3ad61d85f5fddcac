"""Two answers of the policy to one question, and which a judge finds the better: what such steps share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from training.pairs.rule_judge import JUDGE, grade
from training.pairs.spans import same_text
from training.pairs.step import Draft, Dropped

Verdict = int | str
"""1 or 2 for the better answer; else why neither is."""
TIED = "tied scores"
NO_VERDICT = "no usable verdict"


@dataclass(frozen=True)
class TwoAnswers:
    """A draft and two answers to its prompt."""

    draft: Draft
    first: str
    second: str

    @property
    def nothing_to_judge(self) -> str:
        """Why they need no judge; empty if they do."""
        if not self.first.strip() or not self.second.strip():
            return "empty answer"
        return "both answers are the same" if same_text(self.first, self.second) else ""


Judge = Callable[[Sequence[TwoAnswers]], tuple[str, Sequence[Verdict]]]
"""Gives its name and one verdict each."""


def better_over_worse(
    found: Sequence[TwoAnswers], judge: Judge, how: dict[str, Any]
) -> list[Draft | Dropped]:
    """Each draft with the better answer as chosen and the other as rejected, or dropped."""
    name, verdicts = judge([two for two in found if not two.nothing_to_judge])
    verdict = iter(verdicts)
    return [
        Dropped(two.draft, why)
        if (why := two.nothing_to_judge)
        else _pair(two, next(verdict), {**how, "judge": name})
        for two in found
    ]


def by_rules(found: Sequence[TwoAnswers]) -> tuple[str, list[Verdict]]:
    """The rule-based judge, which needs the truth."""
    return JUDGE, [_by_rules(two) for two in found]


def _by_rules(two: TwoAnswers) -> Verdict:
    question = two.draft.question
    if not question.answer:
        return "no truth to judge by"
    first, second = grade(question, two.first), grade(question, two.second)
    return TIED if first == second else 1 if first > second else 2


def _pair(two: TwoAnswers, verdict: Verdict, how: dict[str, Any]) -> Draft | Dropped:
    if isinstance(verdict, str):
        return Dropped(two.draft, verdict)
    texts = two.first.strip(), two.second.strip()
    chosen, rejected = texts if verdict == 1 else texts[::-1]
    return two.draft.having({**how, "verdict": verdict}, chosen=chosen, rejected=rejected)
