"""How much a pair counts: the clinical relevance of its rejected response, or the confidence of its region.

Language models debate the first (Zhu et al. 2025, MMedPO); rules stand in for them and say so. The weights
are as given: how they are normalised is the trainer's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from training.pairs.prompts import prompt
from training.pairs.rule_judge import JUDGE
from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.errors import BadInput
from zoo.lexicon import contradictions, facts
from zoo.llm import Failed, Prompt

LEAST = 0.1
"""The rules' weight where no fact of the truth is contradicted."""


class Score(BaseModel):
    """What a debater replies."""

    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    agree: bool
    """Whether the score so far stands; `score` repeats it then."""


@dataclass(frozen=True)
class Relevance:
    """The weight is the clinical relevance of the rejected response, 0 to 1, as language models settle it.

    The models speak in turn; each sees question, truth, rejected response and the score so far, and agrees
    or gives a new one. When all have agreed in turn, that is the weight; after the last round without
    consensus, the mean of the scores of all turns. Without models, the rule: the share of the truth's
    clinical facts that the rejected response contradicts, both as the lexicon finds them; at least 0.1.
    """

    rounds: int = 5
    """Turns of each model, at most."""
    models: Literal["single", "several"] = "several"
    """`single`: the first model's first score."""

    makes: ClassVar[tuple[Part, ...]] = ("weight",)
    needs_policy: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise BadInput(f"a debate of {self.rounds} rounds", hint="rounds is 1 or more")

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        if not tools.debaters:
            return [draft.having({"weighed_by": JUDGE}, weight=_contradicted(draft)) for draft in drafts]
        debaters = tools.debaters[:1] if self.models == "single" else tools.debaters
        histories: list[list[float]] = [[] for _ in drafts]
        failed: set[int] = set()
        for turn in range(self.rounds * len(debaters)):
            going = [
                n
                for n, history in enumerate(histories)
                if n not in failed and not _settled(history, len(debaters))
            ]
            prompts = [_prompt(drafts[n], histories[n]) for n in going]
            replies = debaters[turn % len(debaters)].replies(prompts, Score)
            for n, reply in zip(going, replies, strict=True):
                if isinstance(reply, Failed):
                    failed.add(n)
                else:
                    agrees = reply.agree and histories[n]
                    histories[n].append(histories[n][-1] if agrees else round(reply.score, 2))
        asked = prompt("relevance", question="", chosen="", rejected="", score=None).id
        by = f"{', '.join(model.name for model in debaters)} with {asked}"
        return [
            Dropped(draft, "no usable relevance score")
            if n in failed
            else draft.having(
                {"weighed_by": by, "debate": histories[n]}, weight=_outcome(histories[n], len(debaters))
            )
            for n, draft in enumerate(drafts)
        ]


@dataclass(frozen=True)
class RoiConfidence:
    """The weight is the confidence, 0 to 1, of what found the region that is noised."""

    makes: ClassVar[tuple[Part, ...]] = ("weight",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        return [_confidence(draft) for draft in drafts]


def _confidence(draft: Draft) -> Draft | Dropped:
    confidence = draft.made_by.get("roi_confidence")
    if confidence is None:
        return Dropped(draft, "no confidence of the region")
    if not math.isfinite(confidence) or not 0 <= confidence <= 1:
        raise BadInput(f"{draft.id}: the region's confidence {confidence} is not between 0 and 1")
    return draft.having({"weighed_by": "confidence of the region"}, weight=float(confidence))


def _settled(history: Sequence[float], models: int) -> bool:
    """Whether every model in turn left the score as it is, its giver among them."""
    return len(history) >= models and len(set(history[-models:])) == 1


def _outcome(history: Sequence[float], models: int) -> float:
    return history[-1] if _settled(history, models) else round(fmean(history), 4)


def _prompt(draft: Draft, history: Sequence[float]) -> Prompt:
    return prompt(
        "relevance",
        question=draft.prompt,
        chosen=draft.chosen,
        rejected=_rejected(draft),
        score=history[-1] if history else None,
    )


def _contradicted(draft: Draft) -> float:
    """The rule's weight."""
    found = contradictions(draft.chosen, _rejected(draft))
    wrong = {(c.truth.group.name, c.truth.term, c.truth.negated) for c in found}
    share = len(wrong) / max(len(facts(draft.chosen)), 1)
    return min(1.0, max(LEAST, round(share, 4)))


def _rejected(draft: Draft) -> str:
    if draft.rejected is None:
        raise BadInput(f"{draft.id}: its relevance is to be judged, and it has no rejected response")
    return draft.rejected
