"""The rule-based writer: swap one clinical term of the true answer for another of its kind.

It stands in for a language model's hallucinated rewrite, and says so in every pair. Every mention of the
term is swapped and the rest of the sentence stays, so a rewrite can read oddly ("the right spine").
"""

from collections.abc import Sequence

import numpy as np

from training.pairs.draft import Answer, Draft, Dropped, Made
from zoo.lexicon import alternatives, find_terms, replace

WRITER = "rule-based writer 1"


def make(drafts: Sequence[Draft], answer: Answer | None = None) -> list[Made | Dropped]:
    """A rejected response for each draft, from the lexicon alone."""
    return [_rewrite(draft) for draft in drafts]


def _rewrite(draft: Draft) -> Made | Dropped:
    """Another option of a closed question; else one swapped term."""
    rng = np.random.default_rng(draft.seed)
    truth, options = draft.question.answer, draft.question.options
    others = [o for o in options if o.strip().lower() != truth.strip().lower()]
    if others:
        new = others[int(rng.integers(len(others)))]
        return Made(new, {"writer": WRITER, "swap": [truth, new]})
    found = [term for term in find_terms(truth) if term.group.name != "answer"]
    if not found:
        return Dropped("no clinical term to swap")
    term = found[int(rng.integers(len(found)))]
    others = alternatives(term)
    new = others[int(rng.integers(len(others)))]
    text = truth
    for mention in reversed(found):  # every mention, from the end, so that places stay right
        if mention.term is term.term:
            text = replace(text, mention, new)
    swap = [truth[term.start : term.end], new]
    return Made(text, {"writer": WRITER, "swap": swap, "group": term.group.name})
