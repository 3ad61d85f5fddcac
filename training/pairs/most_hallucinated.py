"""The most hallucinated of the policy's own samples, or a written one: MMedPO's text half (Zhu et al. 2025).

A language model picks the sample that conflicts most with the truth. Rules that count contradicted clinical
facts stand in, and say so. Where no sample conflicts, a hallucinated rewrite of the truth takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from training.pairs.hallucinate import Hallucinate
from training.pairs.prompts import prompt
from training.pairs.rule_judge import JUDGE, named_options, options_of
from training.pairs.spans import same_text
from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.lexicon import contradictions
from zoo.llm import Failed, TextModel
from zoo.records import Question

_Picks = tuple[str, list[str | Failed | None]]
"""Who picked, and for each draft the text; None: nothing conflicts."""


class Pick(BaseModel):
    """A judge's reply: the number of an answer, 0 for none."""

    number: int


@dataclass(frozen=True)
class MostHallucinated:
    """The rejected response is the worst of `n` own samples; where none is wrong, it is written."""

    n: int = 5
    temperature: float = 1.0
    top_p: float = 1.0

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy = tools.need_policy()
        samples = policy.samples(
            [draft.to_ask() for draft in drafts], n=self.n, temperature=self.temperature, top_p=self.top_p
        )
        answers = [
            [t for t in dict.fromkeys(map(str.strip, texts)) if t and not same_text(t, draft.chosen)]
            for draft, texts in zip(drafts, samples, strict=True)
        ]
        how = {
            "policy": policy.name,
            "samples": self.n,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        judge, picks = (
            _by_model(drafts, answers, tools.writer) if tools.writer else _by_rules(drafts, answers)
        )
        drafts = [draft.having({**how, "judge": judge}) for draft in drafts]
        unhurt = [draft for draft, pick in zip(drafts, picks, strict=True) if pick is None]
        written = iter(Hallucinate().run(unhurt, tools))
        found: list[Draft | Dropped] = []
        for draft, pick in zip(drafts, picks, strict=True):
            if pick is None:
                found.append(next(written))
            elif isinstance(pick, Failed):
                found.append(Dropped(draft, f"judge: {pick.reason}"))
            else:
                found.append(draft.having({"writer": "the policy's most hallucinated sample"}, rejected=pick))
        return found


def _by_model(drafts: Sequence[Draft], answers: Sequence[Sequence[str]], judge: TextModel) -> _Picks:
    asked = [
        prompt("most_hallucinated", question=draft.prompt, truth=draft.chosen, answers=texts)
        for draft, texts in zip(drafts, answers, strict=True)
        if texts
    ]
    replies = iter(judge.replies(asked, Pick))
    picks = [_read(texts, next(replies)) if texts else None for texts in answers]
    return f"{judge.name} {asked[0].id}" if asked else judge.name, picks


def _read(answers: Sequence[str], reply: Pick | Failed) -> str | Failed | None:
    if isinstance(reply, Failed):
        return reply
    if not 0 <= reply.number <= len(answers):
        return Failed("no answer of that number")
    return answers[reply.number - 1] if reply.number else None


def _by_rules(drafts: Sequence[Draft], answers: Sequence[Sequence[str]]) -> _Picks:
    return JUDGE, [_worst(draft, texts) for draft, texts in zip(drafts, answers, strict=True)]


def _worst(draft: Draft, answers: Sequence[str]) -> str | None:
    """The answer with most conflicts, of equals the first; None if none has any."""
    counted = [(_conflicts(draft.question, draft.chosen, text), text) for text in answers]
    worst = max(counted, key=lambda pair: pair[0], default=(0, ""))
    return worst[1] if worst[0] else None


def _conflicts(question: Question, truth: str, answer: str) -> int:
    """How many clinical terms of an answer contradict the truth, or how many other options it names."""
    if options_of(question):
        return len({o.lower() for o, _ in named_options(question, answer)} - {truth.strip().lower()})
    return len({(c.answer.group.name, c.answer.term) for c in contradictions(truth, answer)})
