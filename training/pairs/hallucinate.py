"""A hallucinated rewrite of the true answer: by a language model, or by rules that falsify one clinical term.

The rules stand in for the language model and say so in every pair. Every mention of the term is swapped and
the rest of the sentence stays, so a rewrite can read oddly ("the right spine"). A finding that the truth
denies is asserted, since another denied one would still be true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from training.pairs.prompts import prompt
from training.pairs.rule_judge import options_of
from training.pairs.spans import same_text
from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.lexicon import alternatives, assert_denied, find_terms, replace
from zoo.llm import Failed, TextModel

WRITER = "rule-based writer 1"
_SLACK = 3
"""Words by which the shortest rewrites may differ in length."""


class Rewrite(BaseModel):
    """A writer's reply."""

    answer: str


@dataclass(frozen=True)
class Hallucinate:
    """The rejected response is the truth with something false in it."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        return _by_model(drafts, tools.writer) if tools.writer else [_by_rules(draft) for draft in drafts]


def similar_length(truth: str, text: str) -> bool:
    """Whether a rewrite is about as long as the truth: within half and twice its words, or three words."""
    words, others = len(truth.split()), len(text.split())
    return abs(words - others) <= _SLACK or words / 2 <= others <= words * 2


def _by_model(drafts: Sequence[Draft], writer: TextModel) -> list[Draft | Dropped]:
    asked = [
        prompt("hallucinate", question=d.prompt, truth=d.chosen, options=options_of(d.question))
        for d in drafts
    ]
    found: list[Draft | Dropped] = []
    for draft, said, reply in zip(drafts, asked, writer.replies(asked, Rewrite), strict=True):
        options = [option.strip().lower() for option in options_of(draft.question)]
        if isinstance(reply, Failed):
            found.append(Dropped(draft, f"writer: {reply.reason}"))
        elif not reply.answer.strip() or same_text(reply.answer, draft.chosen):
            found.append(Dropped(draft, "writer repeated the truth"))
        elif options and reply.answer.strip(" .").lower() not in options:
            found.append(Dropped(draft, "writer left the options"))
        elif not similar_length(draft.chosen, reply.answer):
            found.append(Dropped(draft, "writer changed the length"))
        else:
            how = {"writer": f"{writer.name} {said.id}"}
            found.append(draft.having(how, rejected=reply.answer.strip()))
    return found


def _by_rules(draft: Draft) -> Draft | Dropped:
    """Another option of a closed question; else one term made false."""
    rng = np.random.default_rng(draft.seed)
    truth, options = draft.chosen, options_of(draft.question)
    others = [option for option in options if not same_text(option, truth)]
    if others:
        new = others[int(rng.integers(len(others)))]
        return draft.having({"writer": WRITER, "swap": [truth, new]}, rejected=new)
    terms = find_terms(truth)
    found = [t for t in terms if t.negated or (alternatives(t) and t.group.name != "answer")]
    if not found:
        return Dropped(draft, "no clinical term to swap")
    term = found[int(rng.integers(len(found)))]
    how = {"writer": WRITER, "group": term.group.name}
    was = truth[term.start : term.end]
    if term.negated:
        return draft.having({**how, "swap": [f"no {was}", was]}, rejected=assert_denied(truth, term))
    others = alternatives(term)
    new = others[int(rng.integers(len(others)))]
    text = truth
    for mention in reversed(terms):  # every mention, from the end, so that places stay right
        if mention.term == term.term and not mention.negated:
            text = replace(text, mention, new)
    return draft.having({**how, "swap": [was, new]}, rejected=text)
