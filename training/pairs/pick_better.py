"""The better of the policy's two answers, as a language model picks it (STLLaVA-Med, arXiv 2406.19973).

The language model sees no image: it gets the true answer where there is one, and else what the data set
knows of the image. Without a language model the rule-based judge picks, which needs the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel

from training.pairs.prompts import prompt
from training.pairs.step import Draft, Dropped, Part, Tools
from training.pairs.two_answers import TIED, TwoAnswers, Verdict, better_over_worse, by_rules
from zoo.datasets import QuestionSet
from zoo.llm import Failed, TextModel

_KNOWN = 10
"""At most so many questions of an image are told to the judge."""


class Pick(BaseModel):
    """A judge's reply: which answer is better; 0 for neither."""

    better: Literal[0, 1, 2]


@dataclass(frozen=True)
class PickBetter:
    """Chosen and rejected are two samples of the policy."""

    temperature: float = 1.2

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy, writer = tools.need_policy(), tools.writer
        samples = policy.samples([draft.to_ask() for draft in drafts], n=2, temperature=self.temperature)
        found = [TwoAnswers(draft, *two) for draft, two in zip(drafts, samples, strict=True)]
        how = {
            "writer": "the policy's own samples",
            "policy": policy.name,
            "temperature": self.temperature,
        }
        judge = (lambda asked: _by_model(asked, writer, tools.questions)) if writer else by_rules
        return better_over_worse(found, judge, how)


def _by_model(
    asked: Sequence[TwoAnswers], writer: TextModel, questions: QuestionSet
) -> tuple[str, list[Verdict]]:
    known: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    if any(not two.draft.question.answer for two in asked):
        for question in questions.known or questions.questions:
            known.setdefault(question.images, []).append((question.prompt, question.answer))
    prompts = [
        prompt(
            "pick_better",
            question=two.draft.prompt,
            truth=two.draft.question.answer,
            known=[] if two.draft.question.answer else known.get(two.draft.question.images, [])[:_KNOWN],
            first=two.first,
            second=two.second,
        )
        for two in asked
    ]
    if not prompts:
        return writer.name, []
    verdicts: list[Verdict] = [
        f"judge: {reply.reason}" if isinstance(reply, Failed) else reply.better or TIED
        for reply in writer.replies(prompts, Pick)
    ]
    return f"{writer.name} {prompts[0].id}", verdicts
