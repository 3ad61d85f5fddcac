"""What is asked and what is answered, as frozen dataclasses. Knows nothing of HTTP, models or Hubs."""

from dataclasses import dataclass

from zoo.errors import BadInput

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
class Answer:
    """One text, and exactly what gave it."""

    asked: str
    """The adapter as the user wrote it."""
    adapter: AdapterId
    variant: str
    base: str
    """`name@revision` of the base."""
    text: str
    tokens: int
    milliseconds: float
    """Time of the batch in which the answer was made; the answers of one comparison share one."""
    hub_unreachable: bool = False
    """True if the Hub could not be asked, so that the name stands for the last commit known for it."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One question put to several adapters at once; answers in the order asked."""

    question: str
    answers: tuple[Answer, ...]
    milliseconds: float
    """From the question's arrival to the last answer, waiting and fetching included."""


def check_question(question: str, *, longest: int) -> str:
    """The question without surrounding white space.

    Raises:
        BadInput: it is empty or longer than `longest` characters.
    """
    question = question.strip()
    if not question:
        raise BadInput("the question is empty", hint="ask something, such as: What is shown?")
    if len(question) > longest:
        raise BadInput(f"the question has {len(question)} characters, the limit is {longest}")
    return question


def check_adapters(asked: list[str], *, most: int) -> tuple[str, ...]:
    """The adapters of one comparison, as written.

    Raises:
        BadInput: none, an empty name, one twice, or more than `most`.
    """
    names = tuple(name.strip() for name in asked)
    if not names or not all(names):
        raise BadInput("no adapter is named", hint=f"name one to {most}; {BASE!r} is the base without any")
    if len(names) > most:
        raise BadInput(f"{len(names)} adapters in one comparison, the limit is {most}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"the adapter {twice[0]!r} is named twice")
    return names
