"""A pair in the making, the steps that make it, and what steps may use.

A recipe is a tuple of steps. A step is a frozen dataclass, so its numbers travel as data; it takes the
drafts of one batch and gives back each of them further on, several in its place, or why it is dropped.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.llm import TextModel
from zoo.records import Question, Reward, Span

Part = Literal["rejected", "rejected_images", "weight", "spans", "rewards"]
"""What a step can add to a draft."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A question with its opened images on its way to a pair. `chosen` begins as the truth."""

    question: Question
    images: tuple[Image.Image, ...]
    seed: int
    """This pair's own seed, of the run's seed and the question's id."""
    prompt: str
    chosen: str
    half: str = ""
    """Which of several pairs of one question this is; empty where there is one."""
    rejected: str | None = None
    rejected_images: tuple[Image.Image, ...] | None = None
    weight: float | None = None
    chosen_spans: tuple[Span, ...] | None = None
    rejected_spans: tuple[Span, ...] | None = None
    rewards: tuple[Reward, ...] | None = None
    made_by: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The pair's id."""
        return f"{self.question.id}/{self.half or 'pair'}"

    def need_rejected(self) -> str:
        """The rejected response.

        Raises:
            BadInput: no step before has made one.
        """
        if self.rejected is None:
            raise BadInput(f"{self.id}: a step reads its rejected response, and none before has made one")
        return self.rejected

    def to_ask(self, *, prompt: str | None = None, seed: int | None = None) -> "Request":
        """What to ask of the policy: this question under its true images, or another prompt about them."""
        return Request(
            question_id=self.question.id,
            images=self.images,
            prompt=self.prompt if prompt is None else prompt,
            seed=self.seed if seed is None else seed,
        )

    def having(self, how: dict[str, Any], **changes: Any) -> "Draft":
        """This draft with fields changed, and a record of how; how is added to what is there."""
        return replace(self, made_by={**self.made_by, **how}, **changes)


@dataclass(frozen=True)
class Dropped:
    """A draft that gives no pair, and why; counted by reason."""

    draft: Draft
    reason: str
    """A few fixed words, without the record's own values."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Something to ask of the policy."""

    question_id: str
    images: Sequence[Image.Image]
    prompt: str
    seed: int
    """Seed of what is sampled for it."""


Heat = npt.NDArray[np.float32]
"""(rows, columns), 0 to 1: where something looks."""


class Policy(Protocol):
    """The model that a variant tunes, as a source of answers."""

    @property
    def name(self) -> str:
        """`name@revision` of the base, its adapter's digest if it has one, or the file of its answers."""

    @property
    def can_judge(self) -> bool:
        """Whether it can grade answers and ask questions of its own when told to."""

    def answers(self, requests: Sequence[Request]) -> list[str]:
        """Greedy answers."""

    def samples(
        self, requests: Sequence[Request], *, n: int, temperature: float, top_p: float = 1.0
    ) -> list[list[str]]:
        """`n` sampled answers to each request; the same requests and seeds give the same answers."""

    def attention(self, requests: Sequence[Request]) -> list[Heat]:
        """Where each request's prompt looks in its first image."""


class Similarity(Protocol):
    """Cosines of phrases with an image, by a contrastive encoder."""

    @property
    def name(self) -> str:
        """`name@revision` of the encoder."""

    def __call__(self, image: Image.Image, phrases: Sequence[str]) -> list[float]:
        """The cosine of each phrase."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What steps may use, beside the drafts of their batch."""

    questions: QuestionSet
    seed: int
    policy: Policy | None = None
    precision: str = ""
    """In which the policy computes, where it is a model, as `VisionLanguageModel.precision`."""
    writer: TextModel | None = None
    """A language model as writer and judge; None: the rules of the lexicon stand in, and say so."""
    debaters: tuple[TextModel, ...] = ()
    """Language models that score a pair's relevance in turn."""
    similarity: Similarity | None = None
    heat_maps: Path | None = None
    """Folder of precomputed heat maps: `IMAGE-NAME.npy`, (rows, columns)."""

    def need_policy(self) -> Policy:
        """The policy.

        Raises:
            BadInput: there is none.
        """
        if self.policy is None:
            raise BadInput("these pairs hold the base's own answers, and no base was loaded")
        return self.policy


class Step(Protocol):
    """One act of a recipe: a frozen dataclass whose fields are its numbers."""

    @property
    def makes(self) -> tuple[Part, ...]:
        """The parts of a pair that it adds."""

    @property
    def needs_policy(self) -> bool:
        """Whether it asks the policy."""

    def run(self, drafts: Sequence[Draft], tools: Tools) -> Sequence[Draft | Dropped]:
        """The drafts further on; each in its place, several in its place, or dropped."""


@dataclass(frozen=True)
class Only:
    """A step for one half of the drafts; the others pass it by."""

    half: str
    step: Step

    @property
    def makes(self) -> tuple[Part, ...]:
        return self.step.makes

    @property
    def needs_policy(self) -> bool:
        return self.step.needs_policy

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        others = [draft for draft in drafts if draft.half != self.half]
        return [*others, *self.step.run([draft for draft in drafts if draft.half == self.half], tools)]


@dataclass(frozen=True)
class Halves:
    """Two pairs of each question: a `text` half and a `visual` half, with seeds of their own."""

    makes: ClassVar[tuple[Part, ...]] = ()
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        return [
            replace(draft, half=half, seed=pair_seed(tools.seed, f"{draft.question.id}/{half}"))
            for draft in drafts
            for half in ("text", "visual")
        ]


def pair_seed(seed: int, question_id: str) -> int:
    """A seed of the pair's own, from the run's seed and the question's id: independent of order."""
    digest = hashlib.sha256(f"{seed}/{question_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
