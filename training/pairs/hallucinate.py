"""A hallucinated rewrite of the true answer: by a language model, or by rules that swap one clinical term.

The rules stand in for the language model and say so in every pair. Every mention of the term is swapped and
the rest of the sentence stays, so a rewrite can read oddly ("the right spine").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.lexicon import alternatives, find_terms, replace

WRITER = "rule-based writer 1"


@dataclass(frozen=True)
class Hallucinate:
    """The rejected response is the truth with something false in it."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        return [_by_rules(draft) for draft in drafts]


def _by_rules(draft: Draft) -> Draft | Dropped:
    """Another option of a closed question; else one swapped term."""
    rng = np.random.default_rng(draft.seed)
    truth, options = draft.chosen, draft.question.options
    others = [o for o in options if o.strip().lower() != truth.strip().lower()]
    if others:
        new = others[int(rng.integers(len(others)))]
        return draft.having({"writer": WRITER, "swap": [truth, new]}, rejected=new)
    found = [term for term in find_terms(truth) if term.group.name != "answer"]
    if not found:
        return Dropped(draft, "no clinical term to swap")
    term = found[int(rng.integers(len(found)))]
    others = alternatives(term)
    new = others[int(rng.integers(len(others)))]
    text = truth
    for mention in reversed(found):  # every mention, from the end, so that places stay right
        if mention.term is term.term:
            text = replace(text, mention, new)
    swap = [truth[term.start : term.end], new]
    return draft.having({"writer": WRITER, "swap": swap, "group": term.group.name}, rejected=text)
