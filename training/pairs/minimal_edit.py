"""On-policy pairs that differ in their clinical content alone: FiRe-MPO (arXiv 2606.12590).

The policy's own greedy answer is judged against the truth. A wrong one is rejected, and chosen is the same
text with only its wrong spans replaced by the truth; a right one is chosen, and rejected is the same text
with a plausible counterfactual in those spans. Of an answer to a question only the clause that answers is
paired; of a report, all. The spans of a pair are where its two texts differ.

What is chosen is checked against the truth by rules, whoever wrote it, since an opposite of a wrong answer
need not be the truth. The rules do not see what the answer leaves out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel

from training.pairs import rule_edit
from training.pairs.hallucinate import WRITER
from training.pairs.prompts import prompt
from training.pairs.rule_judge import conflicts, is_right, options_of
from training.pairs.spans import answer_clause, divergent_spans, same_text
from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.lexicon import facts, find_terms
from zoo.llm import Failed, TextModel
from zoo.records import Question, Span

Style = Literal["own", "truth", "agnostic"]


class Edited(BaseModel):
    """A writer's reply."""

    right: bool
    edited: str


@dataclass(frozen=True)
class MinimalEdit:
    """Chosen and rejected share their wording and differ in the facts; or, for comparison, they do not."""

    style: Style = "own"
    """`own`: both in the policy's words. `truth`: the truth in the data set's words over what the policy
    said, its wrong answer as it is or its right one made false. `agnostic`: these two, every word counted."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected", "spans")
    needs_policy: ClassVar[bool] = True

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        policy = tools.need_policy()
        said = policy.answers([draft.to_ask() for draft in drafts])
        texts = [_answer(draft, text) for draft, text in zip(drafts, said, strict=True)]
        how = {"policy": policy.name}
        asked = [(draft, text) for draft, text in zip(drafts, texts, strict=True) if text]
        came = iter(_by_model(asked, tools.writer) if tools.writer else [_by_rules(d, t) for d, t in asked])
        found: list[Draft | Dropped] = []
        for draft, text in zip(drafts, texts, strict=True):
            made = next(came) if text else Dropped(draft, "empty answer")
            found.append(made if isinstance(made, Dropped) else self._pair(draft.having(how), made))
        return found

    def _pair(self, draft: Draft, made: "_Made") -> Draft | Dropped:
        chosen, rejected = (made.text, made.edited) if made.right else (made.edited, made.text)
        if not _agrees(draft.question, chosen):
            return Dropped(draft, "edit is not the truth")
        closed = bool(options_of(draft.question))
        if same_text(rejected, draft.question.answer) or (closed and is_right(draft.question, rejected)):
            return Dropped(draft, "rejected is the truth")
        if self.style == "own":
            spans = divergent_spans(chosen, rejected)
        else:
            chosen = draft.question.answer
            whole = ((0, len(chosen)),), ((0, len(rejected)),)
            spans = divergent_terms(chosen, rejected) if self.style == "truth" else whole
        if not all(spans):
            return Dropped(draft, "no span")
        how = {
            "writer": made.writer,
            "style": self.style,
            "edit": "counterfactual of a right answer" if made.right else "correction of a wrong answer",
        }
        return draft.having(
            how, chosen=chosen, rejected=rejected, chosen_spans=spans[0], rejected_spans=spans[1]
        )


@dataclass(frozen=True)
class _Made:
    """A text, whether it is right, and its edit, which is the opposite."""

    text: str
    right: bool
    edited: str
    writer: str


def divergent_terms(one: str, other: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The clinical terms, with their "no", that only one of two texts states; where either text has none,
    every word that differs."""
    sides = []
    for text, against in ((one, other), (other, one)):
        found = [f for f in find_terms(text) if rule_edit.fact(f) not in facts(against)]
        sides.append(tuple(sorted({(f.start, f.end) for f in found} | {f.cue for f in found if f.cue})))
    return (sides[0], sides[1]) if all(sides) else divergent_spans(one, other)


def _answer(draft: Draft, text: str) -> str:
    return text.strip() if draft.question.answer_type == "report" else answer_clause(text)


def _agrees(question: Question, text: str) -> bool:
    """Whether a text can be chosen: right where the question has options, else without a conflict."""
    if options_of(question):
        return is_right(question, text)
    return not conflicts(question, text)


def _by_rules(draft: Draft, text: str) -> _Made | Dropped:
    text = rule_edit.leading_clause(draft.question, text)
    right, edited = rule_edit.edit(draft.question, text, draft.seed)
    return Dropped(draft, "no span") if edited is None else _Made(text, right, edited, WRITER)


def _by_model(asked: Sequence[tuple[Draft, str]], writer: TextModel) -> list[_Made | Dropped]:
    prompts = [
        prompt("minimal_edit", question=draft.prompt, truth=draft.question.answer, answer=text)
        for draft, text in asked
    ]
    found: list[_Made | Dropped] = []
    for (draft, text), wording, reply in zip(
        asked, prompts, writer.replies(prompts, Edited) if prompts else [], strict=True
    ):
        if isinstance(reply, Failed):
            found.append(Dropped(draft, f"writer: {reply.reason}"))
        else:
            found.append(_Made(text, reply.right, reply.edited.strip(), f"{writer.name} {wording.id}"))
    return found
