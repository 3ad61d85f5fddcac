"""The policy's own best answer over its worst, by its own judgement: self-rewarding (arXiv 2401.10020).

The same model that answers grades each answer from 0 to 5 by an additive prompt, without sight of the truth,
several times by sampling; the mean counts. Where it cannot judge, the rule-based judge stands in, which
knows the truth.
"""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from training.pairs.prompts import prompt
from training.pairs.rule_judge import BEST, JUDGE, grade
from training.pairs.step import Draft, Dropped, Part, Policy, Tools, pair_seed
from training.pairs.two_answers import NO_VERDICT, TIED

_SCORE = re.compile(r"(?i)\bscore\b(?:[^:\n]{0,20}:|\s+(?:is|of))?[\s*_\[(]*(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class SelfRewarding:
    """Chosen is the best of `n` samples, rejected the worst, in their judge's eyes."""

    n: int = 4
    temperature: float = 0.7
    top_p: float = 0.9
    reads: int = 3
    """How often the policy grades each answer, sampled as its answers are."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy = tools.need_policy()
        samples = policy.samples(
            [draft.to_ask() for draft in drafts], n=self.n, temperature=self.temperature, top_p=self.top_p
        )
        answers = [list(dict.fromkeys(text.strip() for text in texts if text.strip())) for texts in samples]
        if policy.can_judge:
            judge = f"{policy.name} {prompt('self_rewarding', question='', response='').id}"
            grades = self._grades(drafts, answers, policy)
        else:
            judge = JUDGE
            grades = [
                [[grade(draft.question, text)] for text in texts]
                for draft, texts in zip(drafts, answers, strict=True)
            ]
        how = {
            "writer": "the policy's own samples",
            "policy": policy.name,
            "judge": judge,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        reads = self.reads if policy.can_judge else 1
        return [
            _best_over_worst(draft.having(how), texts, found, reads)
            for draft, texts, found in zip(drafts, answers, grades, strict=True)
        ]

    def _grades(
        self, drafts: Sequence[Draft], answers: Sequence[Sequence[str]], policy: Policy
    ) -> list[list[list[float]]]:
        """The policy's usable grades of each answer of each draft."""
        requests = [
            draft.to_ask(
                prompt=prompt("self_rewarding", question=draft.prompt, response=text).text,
                seed=pair_seed(draft.seed, f"grade {number}"),
            )
            for draft, texts in zip(drafts, answers, strict=True)
            for number, text in enumerate(texts)
        ]
        read = iter(
            policy.samples(requests, n=self.reads, temperature=self.temperature, top_p=self.top_p)
            if requests
            else []
        )
        return [
            [[g for g in map(read_grade, next(read)) if g is not None] for _ in texts] for texts in answers
        ]


def read_grade(reply: str) -> float | None:
    """The last "Score: N" of a judge's words; None without one from 0 to 5."""
    found = _SCORE.findall(reply)
    return float(found[-1]) if found and float(found[-1]) <= BEST else None


def _best_over_worst(
    draft: Draft, answers: Sequence[str], grades: Sequence[Sequence[float]], reads: int
) -> Draft | Dropped:
    """The pair of one draft, from its distinct answers and each one's usable grades of `reads`."""
    if not answers:
        return Dropped(draft, "empty answer")
    graded = [(statistics.mean(found), text) for text, found in zip(answers, grades, strict=True) if found]
    if not graded or (len(graded) == 1 and len(answers) > 1):
        return Dropped(draft, NO_VERDICT)
    best = max(graded, key=lambda one: one[0])
    worst = min(graded, key=lambda one: one[0])
    if best[0] == worst[0]:
        return Dropped(draft, TIED)
    how: dict[str, Any] = {
        "scores": [round(best[0], 4), round(worst[0], 4)],
        "reads_without_score": len(answers) * reads - sum(map(len, grades)),
    }
    return draft.having(how, chosen=best[1], rejected=worst[1])
