"""The policy's greedy answer against a sampled one, by its own criticism: SIMA (arXiv 2405.15973).

The same model compares the two with the truth in view and ends with [[1]] for the sample or [[2]] for the
greedy answer. Where it cannot judge, the rule-based judge stands in.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.prompts import prompt
from training.pairs.step import Draft, Dropped, Part, Policy, Tools
from training.pairs.two_answers import NO_VERDICT, TwoAnswers, Verdict, better_over_worse, by_rules

_VERDICT = re.compile(r"\[\[\s*([12])\s*\]\]")


@dataclass(frozen=True)
class SelfCritic:
    """Chosen and rejected are one sample (1) and the greedy answer (2), in the order that the judge gives."""

    temperature: float = 0.8
    top_p: float = 0.9

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy = tools.need_policy()
        requests = [draft.to_ask() for draft in drafts]
        samples = policy.samples(requests, n=1, temperature=self.temperature, top_p=self.top_p)
        found = [
            TwoAnswers(draft, sample, greedy)
            for draft, (sample,), greedy in zip(drafts, samples, policy.answers(requests), strict=True)
        ]
        how = {
            "writer": "the policy's own sampled (1) and greedy (2) answers",
            "policy": policy.name,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        judge = (lambda asked: _by_policy(asked, policy)) if policy.can_judge else by_rules
        return better_over_worse(found, judge, how)


def read_verdict(reply: str) -> Verdict:
    """The last verdict in a critic's words."""
    found = _VERDICT.findall(reply)
    return int(found[-1]) if found else NO_VERDICT


def _by_policy(asked: Sequence[TwoAnswers], policy: Policy) -> tuple[str, list[Verdict]]:
    prompts = [
        prompt(
            "self_critic",
            question=two.draft.prompt,
            truth=two.draft.question.answer,
            sample=two.first,
            greedy=two.second,
        )
        for two in asked
    ]
    if not prompts:
        return policy.name, []
    requests = [two.draft.to_ask(prompt=p.text) for two, p in zip(asked, prompts, strict=True)]
    return f"{policy.name} {prompts[0].id}", [read_verdict(reply) for reply in policy.answers(requests)]
