"""What is asked and what is answered, as frozen dataclasses. Knows nothing of HTTP, models or Hubs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoo.asking import Finish, Turn
from zoo.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BASE = "base"
"""The name by which the base itself is asked for, as one more adapter."""


@dataclass(frozen=True)
class AdapterId:
    """What an adapter is: the commit of its repo and the sha256 of its weights. A name is only an alias."""

    repo: str
    sha: str
    digest: str
    """Empty for the base, which has no adapter weights."""

    def __str__(self) -> str:
        return f"{self.repo}@{self.sha}"


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Who answers in one row, known before its first token."""

    asked: str
    """The adapter as the user wrote it."""
    adapter: AdapterId
    variant: str
    base: str
    """`name@revision` of the base."""
    hub_unreachable: bool = False
    """True if the Hub could not be asked, so that the name stands for the last commit known for it."""


@dataclass(frozen=True, kw_only=True)
class Answer(Answering):
    """One text, and exactly what gave it."""

    seed: int
    load: int
    """Number of the load that answered, fresh for each load; 0 for the base."""
    text: str = field(repr=False)
    finish: Finish
    left_off: int = 0
    """Characters of an unfinished sentence that were said last and are not in the text: only where it was cut
    at its most tokens. A stream has said them."""
    tokens: int
    prompt_tokens: int
    first_token_ms: float
    """From the question's arrival to the first token, waiting and fetching included."""
    milliseconds: float
    """From the question's arrival to the last token of this answer."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One question put to several adapters at once; answers in the order asked."""

    question: str = field(repr=False)
    answers: tuple[Answer, ...]
    milliseconds: float
    """From the question's arrival to the last answer, waiting and fetching included."""


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Where one picture was looked at."""

    values: "npt.NDArray[np.float32]" = field(repr=False)
    """(rows, columns), from the upper left, 0 to 1."""
    box: tuple[float, float, float, float]
    """The part of the picture that the map lies on: left, top, right and bottom as shares of its width and
    height. Within 0 to 1 where the model sees a crop, beyond where it sees the picture padded."""


@dataclass(frozen=True, kw_only=True)
class Heat(Answering):
    """Where one adapter looked in the pictures of a question, before its first word."""

    maps: tuple[HeatMap, ...]
    """One a picture, in the order given, on one scale: 1 is where it looked most in all of them."""
    peak: float
    """What 1 stands for: so many times the attention that a general description pays to the same place."""
    load: int
    """Number of the load that looked; 0 for the base."""


def check_turns(turns: Sequence[Turn], *, longest: int) -> tuple[Turn, ...]:
    """The conversation, its texts without surrounding white space.

    Raises:
        BadInput: it does not end with a user's turn, that turn is empty, or all texts together are longer
            than `longest` characters.
    """
    turns = tuple(replace(turn, text=turn.text.strip()) for turn in turns)
    if not turns or turns[-1].role != "user":
        raise BadInput("the conversation does not end with the user's turn", hint="put the question last")
    if not turns[-1].text:
        raise BadInput("the question is empty", hint="ask something, such as: What is shown?")
    length = sum(len(turn.text) for turn in turns)
    if length > longest:
        raise BadInput(
            f"the question has {length} characters, the limit is {longest}",
            hint="ask in fewer words; the limit is MEDZOO_MAX_QUESTION_CHARS of who runs this",
        )
    return turns


def check_adapters(asked: list[str], *, most: int) -> tuple[str, ...]:
    """The adapters of one comparison, as written.

    Raises:
        BadInput: none, an empty name, one twice, or more than `most`.
    """
    names = tuple(name.strip() for name in asked)
    if not names or not all(names):
        raise BadInput("no adapter is named", hint=f"name one to {most}; {BASE!r} is the base without any")
    if len(names) > most:
        raise BadInput(
            f"{len(names)} adapters in one comparison, the limit is {most}",
            hint="ask in several; the limit is the least of MEDZOO_MAX_ADAPTERS, MEDZOO_MAX_ROWS and "
            "MEDZOO_SLOTS with the base",
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"the adapter {twice[0]!r} is named twice", hint="name each once")
    return names
