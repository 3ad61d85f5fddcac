"""A pair in the making, and what a maker of rejected responses gives back for it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from zoo.records import Question

Answer = Callable[[Sequence[tuple[Sequence[Image.Image], str]]], list[str]]
"""The base's own greedy answers to (images, prompt) requests."""


@dataclass(frozen=True)
class Draft:
    """A question with its opened images, before it is a pair."""

    question: Question
    images: tuple[Image.Image, ...]
    rejected_images: tuple[Image.Image, ...] | None
    seed: int
    """This pair's own seed."""


@dataclass(frozen=True)
class Made:
    """A rejected response, and how it came to be."""

    response: str
    how: dict[str, Any]


@dataclass(frozen=True)
class Dropped:
    """Why a question gives no pair; counted by reason."""

    reason: str


def pair_seed(seed: int, question_id: str) -> int:
    """A seed of the pair's own, from the run's seed and the question's id: independent of order."""
    digest = hashlib.sha256(f"{seed}/{question_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
