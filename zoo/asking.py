"""What is put to a model, the turns of a conversation and how an answer is drawn, and the pieces in which the
answer comes. Knows no model."""

from dataclasses import dataclass, field
from typing import Literal

from zoo.errors import BadInput

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length"]
"""Why an answer ended: its end of turn or a stop text, or its most tokens."""
HOTTEST = 2.0
"""The highest temperature: beyond it words are drawn nearly without regard to the model."""


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation."""

    role: Role
    text: str = field(repr=False)
    images: int = 0
    """How many of the question's images stand before the text; they are taken in order."""


def question(text: str, *, images: int = 1) -> tuple[Turn, ...]:
    """The conversation that is one question about some images."""
    return (Turn("user", text, images),)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How one answer is drawn: greedy at temperature 0, else by its own seed."""

    max_tokens: int = 64
    """Most new tokens, the end of turn included."""
    temperature: float = 0.0
    top_p: float = 1.0
    """Only the likeliest tokens that together hold this share of the probability are drawn."""
    seed: int = 0
    """Of this answer's sample; a greedy one does not read it."""
    stop: tuple[str, ...] = field(default=(), repr=False)
    """Texts before which the answer ends."""

    def __post_init__(self) -> None:
        """Raises BadInput where a number is out of its range or a stop text is empty."""
        if self.max_tokens < 1:
            raise BadInput(f"max_tokens is {self.max_tokens}; it is at least 1")
        if not 0 <= self.temperature <= HOTTEST:  # also what is no number
            raise BadInput(
                f"temperature is {self.temperature}; it is between 0, which is greedy, and {HOTTEST:g}"
            )
        if not 0 < self.top_p <= 1:
            raise BadInput(f"top_p is {self.top_p}; it is above 0 and at most 1")
        if not 0 <= self.seed < 2**63:
            raise BadInput(f"seed is {self.seed}; it is at least 0 and below 2**63")
        if not all(self.stop):
            raise BadInput("a stop text is empty")


@dataclass(frozen=True)
class Piece:
    """What one row of a batch has just said. The pieces of a row, put together, are its answer."""

    row: int
    text: str = field(repr=False)
    tokens: int
    """Tokens of the row so far, the end of turn included."""
    finish: Finish | None = None
    """Set on the row's last piece, whose text may be empty."""
