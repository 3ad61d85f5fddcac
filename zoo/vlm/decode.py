"""A batch of answers under way, one token of each row a step: rows end, are dropped and stream on their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from zoo.asking import Sampling, Turn
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True)
class Row:
    """One answer that is wanted: about these features, to this prompt, by the adapter in this slot."""

    features: ImageFeatures
    prompt: str | tuple[Turn, ...]
    slot: int = 0
    """Slot of the adapter bank; 0 is the base."""
    sampling: Sampling = Sampling()


@dataclass(frozen=True)
class Piece:
    """What one row said in one step."""

    row: int
    text: str
    tokens: int
    """Tokens of the row so far."""
    finish: Literal["stop", "length"] | None = None
    """Set on the row's last piece."""


class Decoding:
    """Answers under way; nothing is run before the first `step`."""

    def __init__(self, vlm: VisionLanguageModel, rows: Sequence[Row]) -> None:
        self.prompt_tokens: list[int] = []
        """Tokens of each row's prompt, its images' included."""

    @property
    def open(self) -> tuple[int, ...]:
        """Rows that still answer."""

    def step(self) -> list[Piece]:
        """Run the prompts (first call), or one more token of every open row."""

    def drop(self, row: int) -> None:
        """End a row whose answer nobody wants; before the next step, from the same thread."""
