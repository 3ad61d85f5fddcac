"""What the store gives out, as frozen dataclasses."""

from dataclasses import dataclass, field
from typing import Literal

from zoo.asking import Finish
from zoo.records import AnswerType, ErrorType, Severity

AccountRole = Literal["rater", "administrator"]
State = Literal["preparing", "open", "closed"]
"""Of a work list: its answers are being made; raters may rate; it has ended and what it showed is erased."""
Field = Literal["severity", "errors", "rank", "comment", "opened", "done"]
"""What a click sets. `opened` and `done` are of a whole case, a comment is of an answer or of a case."""
CANNOT_JUDGE = "cannot judge"
Judged = Severity | Literal["cannot judge"]


@dataclass(frozen=True, kw_only=True)
class Account:
    """Someone who may sign in."""

    name: str
    role: AccountRole
    pseudonym: str
    """By which exports name them; drawn when the account is made, says nothing of the name."""
    made_at: str
    closed_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewCase:
    """A case as an administrator uploads it: pictures without identifiers, a question, and if known its
    true answer."""

    question_id: str
    dataset: str
    split: str
    prompt: str = field(repr=False)
    pictures: tuple[bytes, ...] = field(repr=False)
    """Files that `zoo.images` can open, their identifiers dropped."""
    case_sha256: str
    """Of the pictures' pixels and the prompt."""
    pictures_sha256: str = ""
    """Of the pictures' pixels alone, see `zoo.records.Rating`; empty where it is not known."""
    reference: str = field(default="", repr=False)
    answer_type: AnswerType = "open"
    options: tuple[str, ...] = ()
    question_type: str = ""
    error_types: tuple[ErrorType, ...] = ()
    modality: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case of a work list. `prompt`, `reference` and `options` are empty once the list is closed."""

    id: int
    work_list: str
    number: int
    """From 1, in the order uploaded."""
    question_id: str
    dataset: str
    split: str
    prompt: str = field(repr=False)
    reference: str = field(repr=False)
    answer_type: AnswerType
    options: tuple[str, ...]
    question_type: str
    error_types: tuple[ErrorType, ...]
    modality: str
    case_sha256: str
    pictures: int
    problem: str = ""
    """Why it has no answers, if they could not be made."""
    pictures_sha256: str = ""
    """Empty in cases from before it was kept."""


@dataclass(frozen=True, kw_only=True)
class CaseAnswer:
    """What one adapter said of a case. `text` is empty once the list is closed."""

    adapter: str
    """As the list names it: an alias or `base`."""
    variant: str
    repo: str
    sha: str
    digest: str
    base: str
    """`name@revision`."""
    text: str = field(repr=False)
    answer_sha256: str
    finish: Finish | Literal[""]
    """Empty where it is not known, of answers that were made elsewhere."""
    tokens: int
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class WorkList:
    """A set of cases that raters rate."""

    id: str
    title: str
    instructions: str
    state: State
    adapters: tuple[str, ...]
    overlap: int
    """How many raters rate each case."""
    seed: int
    """Of the order in which each rater sees a case's answers."""
    keep: bool
    """True: the operator asked that pictures, questions and answers stay when it is closed."""
    made_by: str
    made_at: str
    closed_at: str | None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one rater is in a list."""

    rater: str
    assigned: int
    done: int


@dataclass(frozen=True, kw_only=True)
class Click:
    """One thing that a rater set, once: a row that never changes. A correction is a later row."""

    uid: str
    """Drawn by the browser, so that a click that is sent again counts once."""
    rater: str
    case: int
    answer_sha256: str = ""
    """Of the answer that it is about; empty for the whole case."""
    sets: Field
    value: str = field(repr=False)
    """JSON: a severity or `cannot judge`; a list of error types; a rank from 1, the best, ties allowed; a
    text; true."""
    made_at: str = ""
    """Set when it is kept, UTC."""
    blind: bool = True
    """Set when it is kept. False: the rater was done with the case by then, after which names are seen."""
