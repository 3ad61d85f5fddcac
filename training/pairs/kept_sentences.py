"""Which sentences of a pair count: hallucinated ones out of the chosen, right ones out of the rejected
(Mask-DPO, arXiv 2503.02846).

It reads the pair that earlier steps made. An answer to a closed question is one piece, right or wrong as a
whole, and so is an open answer of one sentence; these, and without a language model all, are judged by
rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from training.pairs.prompts import prompt
from training.pairs.rule_judge import JUDGE, is_right, options_of
from training.pairs.spans import sentences
from training.pairs.step import Draft, Dropped, Part, Tools
from training.pairs.two_answers import NO_VERDICT
from zoo.lexicon import contradictions
from zoo.llm import Failed, TextModel
from zoo.records import Question, Span


class Verdict(BaseModel):
    """A judge's reply: the sentences that are hallucinated, counted from 1."""

    hallucinated: list[int]


@dataclass(frozen=True)
class KeptSentences:
    """The spans are the right sentences of the chosen response and the wrong ones of the rejected."""

    makes: ClassVar[tuple[Part, ...]] = ("spans",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        texts = [text for draft in drafts for text in (draft.chosen, draft.need_rejected())]
        questions = [draft.question for draft in drafts for _ in range(2)]
        judged = iter(_judge(questions, texts, tools.writer))
        return [_keep(draft, next(judged), next(judged)) for draft in drafts]


@dataclass(frozen=True)
class _Judged:
    """The sentences of a text, and by whom they were told apart."""

    right: tuple[Span, ...]
    wrong: tuple[Span, ...]
    judge: str


def _keep(draft: Draft, chosen: _Judged | Failed, rejected: _Judged | Failed) -> Draft | Dropped:
    if isinstance(chosen, Failed):
        return Dropped(draft, chosen.reason)
    if isinstance(rejected, Failed):
        return Dropped(draft, rejected.reason)
    if not chosen.right or not rejected.wrong:
        return Dropped(draft, "no span")
    how = {"judge": max(chosen.judge, rejected.judge, key=lambda judge: judge != JUDGE)}
    return draft.having(how, chosen_spans=chosen.right, rejected_spans=rejected.wrong)


def _judge(
    questions: Sequence[Question], texts: Sequence[str], writer: TextModel | None
) -> list[_Judged | Failed]:
    """Each text's sentences told apart by the language model, or by rules where that is enough."""
    found: list[_Judged | Failed] = [_by_rules(q, text) for q, text in zip(questions, texts, strict=True)]
    if writer is None:
        return found
    asked = [n for n, (q, text) in enumerate(zip(questions, texts, strict=True)) if not _plain(q, text)]
    prompts = [
        prompt(
            "judge_sentences",
            question=questions[n].prompt,
            truth=questions[n].answer,
            sentences=[texts[n][start:end] for start, end in sentences(texts[n])],
        )
        for n in asked
    ]
    replies = writer.replies(prompts, Verdict) if prompts else []
    for n, wording, reply in zip(asked, prompts, replies, strict=True):
        found[n] = _told_apart(texts[n], reply, f"{writer.name} {wording.id}")
    return found


def _told_apart(text: str, reply: Verdict | Failed, judge: str) -> _Judged | Failed:
    if isinstance(reply, Failed):
        return Failed(f"judge: {reply.reason}")
    places = sentences(text)
    if not all(1 <= number <= len(places) for number in reply.hallucinated):
        return Failed(NO_VERDICT)
    wrong = {number - 1 for number in reply.hallucinated}
    return _Judged(
        tuple(place for n, place in enumerate(places) if n not in wrong),
        tuple(place for n, place in enumerate(places) if n in wrong),
        judge,
    )


def _plain(question: Question, text: str) -> bool:
    """Whether rules are enough: the truth itself, a text without sentences, or one to be judged whole."""
    return text == question.answer or not sentences(text) or _whole(question, text)


def _whole(question: Question, text: str) -> bool:
    return bool(options_of(question)) or (question.answer_type != "report" and len(sentences(text)) == 1)


def _by_rules(question: Question, text: str) -> _Judged:
    places = sentences(text)
    if places and (text == question.answer or _whole(question, text)):
        whole = ((places[0][0], places[-1][1]),)
        right = text == question.answer or is_right(question, text)
        return _Judged(whole, (), JUDGE) if right else _Judged((), whole, JUDGE)
    wrong = {place for place in places if contradictions(question.answer, text[slice(*place)])}
    kept = tuple(place for place in places if place not in wrong)
    return _Judged(kept, tuple(place for place in places if place in wrong), JUDGE)
