"""How much a pair counts: the clinical relevance of its rejected response, or the confidence of its region.

Language models debate the first (Zhu et al. 2025, MMedPO); rules stand in for them and say so. The weights
are as given: how they are normalised is the trainer's.
"""

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
from zoo.llm import Failed, Prompt, TextModel

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
        debates = [_Debate(draft, debaters) for draft in drafts]
        for turn in range(self.rounds * len(debaters)):
            going = [debate for debate in debates if not debate.over]
            if not going:
                break
            replies = debaters[turn % len(debaters)].replies([debate.ask() for debate in going], Score)
            for debate, reply in zip(going, replies, strict=True):
                debate.hear(reply)
        return [debate.end() for debate in debates]


class _Debate:
    """One draft's debate: the score after each turn."""

    def __init__(self, draft: Draft, debaters: Sequence[TextModel]) -> None:
        self._draft = draft
        self._names = [model.name for model in debaters]
        self._scores: list[float] = []
        self._failed = False
        self._asked = ""

    @property
    def over(self) -> bool:
        return self._failed or self._settled

    @property
    def _settled(self) -> bool:
        """Whether every model in turn left the score as it is, its giver among them."""
        last = self._scores[-len(self._names) :]
        return len(last) == len(self._names) and len(set(last)) == 1

    def ask(self) -> Prompt:
        asked = prompt(
            "relevance",
            question=self._draft.prompt,
            chosen=self._draft.chosen,
            rejected=self._draft.need_rejected(),
            score=self._scores[-1] if self._scores else None,
        )
        self._asked = asked.id
        return asked

    def hear(self, reply: Score | Failed) -> None:
        if isinstance(reply, Failed):
            self._failed = True
        elif reply.agree and self._scores:
            self._scores.append(self._scores[-1])
        else:
            self._scores.append(round(reply.score, 2))

    def end(self) -> Draft | Dropped:
        if self._failed:
            return Dropped(self._draft, "no usable relevance score")
        weight = self._scores[-1] if self._settled else round(fmean(self._scores), 4)
        by = f"{', '.join(self._names)} {self._asked}"
        return self._draft.having({"weighed_by": by, "debate": self._scores}, weight=weight)


@dataclass(frozen=True)
class RoiConfidence:
    """The weight is the confidence, 0 to 1, of what found the region that is noised."""

    whole_image: float | None = None
    """Weight of a pair whose whole image is noised; None: such a pair is dropped."""

    makes: ClassVar[tuple[Part, ...]] = ("weight",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        return [_confidence(draft, self.whole_image) for draft in drafts]


def _confidence(draft: Draft, whole_image: float | None) -> Draft | Dropped:
    confidence = draft.made_by.get("roi_confidence")
    if confidence is None and whole_image is not None:
        return draft.having({"weighed_by": "the whole image"}, weight=whole_image)
    if confidence is None:
        return Dropped(draft, "no confidence of the region")
    if not 0 <= confidence <= 1:
        raise BadInput(f"{draft.id}: the region's confidence {confidence} is not between 0 and 1")
    return draft.having({"weighed_by": "confidence of the region"}, weight=float(confidence))


def _contradicted(draft: Draft) -> float:
    """The rule's weight."""
    found = contradictions(draft.chosen, draft.need_rejected())
    wrong = {(c.truth.group.name, c.truth.term, c.truth.negated) for c in found}
    share = len(wrong) / max(len(facts(draft.chosen)), 1)
    return min(1.0, max(LEAST, round(share, 4)))
