"""What a rater sees of a case before they have rated it: texts by letter, in an order of their own. Pure.

Answers of the same words are one: they cannot be told apart, and their adapters get the same rating.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from serving.annotations.records import CaseAnswer

LETTERS = ascii_uppercase
"""A list has at most as many adapters."""


@dataclass(frozen=True)
class Lettered:
    """One text, and who said it."""

    letter: str
    answers: tuple[CaseAnswer, ...]
    """One or more, of the same text."""

    @property
    def text(self) -> str:
        """The words."""
        return self.answers[0].text

    @property
    def answer_sha256(self) -> str:
        """Of the words."""
        return self.answers[0].answer_sha256


def lettered(answers: Sequence[CaseAnswer], *, seed: int, rater: str, case: int) -> tuple[Lettered, ...]:
    """The texts in the order in which this rater sees this case, the same at every visit."""
    by_text: dict[str, list[CaseAnswer]] = {}
    for answer in answers:
        by_text.setdefault(answer.answer_sha256, []).append(answer)

    def drawn(sha256: str) -> str:
        return hashlib.sha256(f"{seed}\n{rater}\n{case}\n{sha256}".encode()).hexdigest()

    order = sorted(by_text, key=drawn)
    return tuple(
        Lettered(letter, tuple(by_text[sha256])) for letter, sha256 in zip(LETTERS, order, strict=False)
    )
