"""A real image that differs from the true one in the targeted attribute alone, after Kim et al. 2026.

Their retrieval is not published. Ours compares facts: the clinical terms in the answers of all questions
about an image. Yes and no tell none, since what a closed question names may be absent or presupposed. It
sees no pixels, so two images may differ in what nobody asked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.errors import BadInput
from zoo.lexicon import find_terms
from zoo.lexicon.terms import GROUPS
from zoo.records import Question

Facts = Mapping[str, frozenset[str]]
"""First spellings of the terms that hold of an image, by the group or family of which they exclude others."""

_FAMILY = {group.name: group.family or group.name for group in GROUPS}
_ANATOMY = frozenset(_FAMILY[group.name] for group in GROUPS if "AM" in group.error_types)
_OF_THE_ANSWER = ("answer", "state", "abnormality")
"""Groups that tell of an answer, not of the image; but no abnormality is a known lack of findings."""
_NEGATED = re.compile(r"\bnot\b|n't\b|\bexcept\b", re.IGNORECASE)


@dataclass(frozen=True)
class Retrieve:
    """The rejected image is another question's that agrees with this one in all that is known of both but the
    target; the modality and some anatomy must be known and agree, unless they are the target."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected_images",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        known = facts_of_images(tools.questions.known or tools.questions.questions)
        return [_retrieved(draft, known, tools) for draft in drafts]


@lru_cache(maxsize=2)
def facts_of_images(questions: tuple[Question, ...]) -> dict[tuple[str, ...], Facts]:
    """What the answers state of each question's images, in the questions' order."""
    found: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for question in questions:
        facts = found.setdefault(question.images, {})
        if _NEGATED.search(question.prompt):
            continue
        for term in find_terms(question.answer):
            if term.negated and term.group.name == "abnormality":
                facts.setdefault("finding", set()).add("none")
            if not term.negated and term.group.name not in _OF_THE_ANSWER:
                facts.setdefault(_FAMILY[term.group.name], set()).add(term.term[0])
    return {
        images: {family: frozenset(held) for family, held in facts.items()} for images, facts in found.items()
    }


def _retrieved(draft: Draft, known: Mapping[tuple[str, ...], Facts], tools: Tools) -> Draft | Dropped:
    target = draft.made_by.get("target")
    if not target:
        raise BadInput(
            f"{draft.id}: no target is recorded in which an image is to differ",
            hint="put the step that swaps the target before the one that retrieves an image",
        )
    images, family = draft.question.images, _FAMILY.get(target["group"], target["group"])
    own = known.get(images, {})
    best: list[tuple[str, ...]] = []
    most = (False, 0)
    for others, facts in known.items():
        agreed = _agreed(own, facts, family, target)
        if not agreed or len(others) != len(images) or set(others) & set(images):
            continue
        rank = (target["now"] in facts[family], len(agreed))
        if rank > most:
            best, most = [], rank
        if rank == most:
            best.append(others)
    if not best:
        return Dropped(draft, "no image differs in the target alone")
    chosen = best[int(np.random.default_rng(draft.seed).integers(len(best)))]
    compared = _agreed(own, known[chosen], family, target)
    how: dict[str, Any] = {
        "rejected_image": "retrieved image",
        "retrieved": list(chosen),
        "retrieved_agrees_in": {group: sorted(own[group]) for group in compared},
        "retrieved_differs_in": {family: [target["was"], sorted(known[chosen][family])]},
    }
    return draft.having(how, rejected_images=tuple(map(tools.questions.open_image, chosen)))


def _agreed(own: Facts, other: Facts, family: str, target: Mapping[str, str]) -> list[str]:
    """The families in which two images agree, sorted; empty where one is no hard negative of the other.

    The other image lacks what the truth names; where the truth is a no and names nothing, it has what was
    asked for, which this one has not.
    """
    held, was, now = other.get(family, frozenset()), target["was"], target["now"]
    differs = was not in held if was else now in held - own.get(family, frozenset())
    if not held or not differs:
        return []
    both = sorted((own.keys() & other.keys()) - {family})
    if any(own[name] != other[name] for name in both):
        return []
    if family != "modality" and "modality" not in both:
        return []
    return both if family in _ANATOMY or _ANATOMY & set(both) else []
