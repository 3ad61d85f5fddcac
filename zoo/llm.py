"""Language models as writers and judges, behind one act: prompts in, checked replies out.

Knows nothing of pairs or metrics; what is asked and what a reply must look like is the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel

Reply = TypeVar("Reply", bound=BaseModel)


@dataclass(frozen=True)
class Prompt:
    """A prompt with the name and version of its wording, such as `hallucinate@1`."""

    id: str
    text: str


@dataclass(frozen=True)
class Failed:
    """A prompt that got no usable reply, and why in a few fixed words."""

    reason: str


class TextModel(Protocol):
    """A language model that answers prompts with JSON of a given shape."""

    @property
    def name(self) -> str:
        """The model's name, for records."""

    def replies(self, prompts: Sequence[Prompt], reply: type[Reply]) -> list[Reply | Failed]:
        """One checked reply a prompt, in the prompts' order."""
