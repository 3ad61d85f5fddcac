"""The records that pass between the parts, as frozen dataclasses kept in JSON lines.

One record a line, UTF-8. Paths of images and masks are relative to the folder of the file that holds
the record. Reading checks every key and type, and names file, line and key; it knows nothing of what
the records are used for.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_type_hints

from zoo.errors import BadRecord

PREDICTIONS_NAME = "predictions.jsonl"
VERDICTS_NAME = "verdicts.jsonl"
RULES = "rules"
"""In the place of a judge for a metric that needs none."""
BASE = "base"
"""Name of the base wherever an adapter's name may stand."""
AnswerType = Literal["closed", "open", "report"]
ErrorType = Literal["MM", "AM", "SLC", "LAS"]
"""Clinical error types: modality (MM), anatomy (AM), side and place (SLC), specificity (LAS)."""
Shown = Literal["own", "noise", "other"]
"""Which pictures a model saw: the question's own, noise in their place, or another patient's."""
Task = Literal["correct", "facts", "relevance", "green"]
"""What a judge is asked of an answer: whether it is right, which of the truth's facts it states, how much it
matters to the clinic, which errors a report has (GREEN)."""
Severity = Literal["none", "minor", "severe"]
Span = tuple[int, int]
"""Characters `start` to `end` (not included) of a text."""
Reward = tuple[int, int, float]
"""Characters `start` to `end` (not included) of a text, and the reward of each of their tokens."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """An image (or several), a prompt and the true answer, from a data set."""

    id: str
    dataset: str
    split: str
    images: tuple[str, ...]
    prompt: str
    answer: str
    answer_type: AnswerType
    question_type: str
    options: tuple[str, ...] = ()
    """The answers a closed question may take; empty for an open one."""
    error_types: tuple[ErrorType, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PreferencePair:
    """A prompt with a chosen and a rejected response, and what the variant needs beside them.

    What a variant does not need is None. A weight is never silently taken as 1, spans never as the
    whole text.
    """

    id: str
    question_id: str
    images: tuple[str, ...]
    prompt: str
    chosen: str
    rejected: str | None = None
    rejected_images: tuple[str, ...] | None = None
    weight: float | None = None
    """How much the pair counts, as its maker gave it, before any normalisation."""
    chosen_spans: tuple[Span, ...] | None = None
    """The parts of `chosen` that the objective reads alone, in order, not overlapping."""
    rejected_spans: tuple[Span, ...] | None = None
    rewards: tuple[Reward, ...] | None = None
    """Rewards of parts of `chosen`, a sampled answer: characters `start` to `end` and their reward."""
    made_by: dict[str, Any] = field(default_factory=dict)
    """How the pair was made: the writer, its seed, its swap or crop box."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer of one adapter to one question, with all that scoring needs."""

    question_id: str
    dataset: str
    split: str
    images: tuple[str, ...]
    prompt: str
    truth: str
    answer_type: AnswerType
    question_type: str
    options: tuple[str, ...]
    error_types: tuple[ErrorType, ...]
    base: str
    """`name@revision` of the base."""
    adapter: str
    """`base`, or the adapter's repo, or its variant before it has one."""
    variant: str
    """The adapter's variant; `base` for the base."""
    digest: str
    """sha256 of the adapter's weights; empty for the base."""
    answer: str
    tokens: int
    """Tokens generated, the end of turn included."""
    finish: Literal["stop", "length", ""] = ""
    """Whether the answer came to its end or was cut at the most tokens; empty where it is not known."""
    seed: int = 0
    """Seed of the adapter's training: adapters of one variant that differ in it alone can be pooled."""
    shown: Shown = "own"
    shown_digests: tuple[str, ...] = ()
    """sha256 of the pixels of each picture that was shown; empty in answers from elsewhere."""

    @classmethod
    def to(cls, question: Question, **said: Any) -> Self:
        """An answer to that question, whose fields it takes over; `said` are the others."""
        return cls(
            question_id=question.id,
            dataset=question.dataset,
            split=question.split,
            images=question.images,
            prompt=question.prompt,
            truth=question.answer,
            answer_type=question.answer_type,
            question_type=question.question_type,
            options=question.options,
            error_types=question.error_types,
            **said,
        )

    @property
    def answer_sha256(self) -> str:
        """sha256 of the answer, as UTF-8."""
        return hashlib.sha256(self.answer.encode()).hexdigest()

    @property
    def asked_sha256(self) -> str:
        """sha256 of the prompt, a newline and the truth, as UTF-8."""
        return hashlib.sha256(f"{self.prompt}\n{self.truth}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge said of one answer, word for word. What it is worth is a metric's to say."""

    question_id: str
    dataset: str
    split: str
    adapter: str
    shown: Shown = "own"
    task: Task
    judge: str
    """The judge's name, with name and version of what it was asked: `gpt-4.1 facts@1`, `rules facts@1`."""
    answer_sha256: str
    """Of the answer that was judged, as UTF-8: a verdict on another answer is none on this one."""
    asked_sha256: str = ""
    """Of what it was judged beside: the question's prompt, a newline and its truth, as UTF-8. Empty where it
    is not known."""
    facts: tuple[str, ...] = ()
    """The truth's atomic facts that the reply labels, in its order."""
    reply: str
    """The judge's reply as it came; empty where it gave none."""


@dataclass(frozen=True, kw_only=True)
class Rating:
    """What an expert says of one answer (Kim et al. 2026, App. D)."""

    question_id: str
    dataset: str
    split: str
    adapter: str
    answer_sha256: str
    rater: str
    misunderstanding: Severity | None
    """How far the answer misreads the image; None: the rater cannot judge."""
    error_types: tuple[ErrorType, ...] = ()
    rank: int | None = None
    """Place among the answers to the question that the rater saw beside each other, 1 the best, ties allowed;
    None where nothing was ranked."""
    modality: str = ""
    variant: str = ""
    digest: str = ""
    """sha256 of the adapter's weights; empty for the base."""
    base: str = ""
    """`name@revision` of the base; empty where it is not known."""
    case_sha256: str = ""
    """Of the pictures' pixels and the prompt that the rater saw."""
    pictures_sha256: str = ""
    """Of the sha256 of the pixels of each picture that the rater saw, a line each, in order; empty where it
    is not known. Whoever has the pictures can find out that they were rated."""
    made_at: str = ""
    """When the rater was done with the question, UTC."""
    comment: str = ""


AnyRecord = Question | PreferencePair | Prediction | Verdict | Rating
Record = TypeVar("Record", Question, PreferencePair, Prediction, Verdict, Rating)


def to_line(record: AnyRecord) -> str:
    """The record as one line of JSON, keys in declared order, newline included."""
    return json.dumps(asdict(record), ensure_ascii=False, allow_nan=False) + "\n"


def write_jsonl(path: Path, records: Iterable[AnyRecord]) -> int:
    """Write the records to `path` in one atomic step; return how many there were."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8") as out:
        for record in records:
            out.write(to_line(record))
            count += 1
    os.replace(part, path)
    return count


def read_jsonl(path: Path, kind: type[Record]) -> list[Record]:
    """Read every record of `path`.

    Raises:
        BadRecord: a line is no JSON object, lacks a key, has an unknown one or one of another type.
    """
    return list(iter_jsonl(path, kind))


def iter_jsonl(path: Path, kind: type[Record]) -> Iterator[Record]:
    """Yield the records of `path` one by one; see `read_jsonl`."""
    if not path.is_file():
        raise BadRecord(f"no such file: {path}")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield parse_line(line, kind, where=f"{path}:{number}")


def parse_line(line: bytes, kind: type[Record], where: str) -> Record:
    """The record in one line; `where` begins what is told if it is none.

    Raises:
        BadRecord: see `read_jsonl`.
    """
    try:
        raw = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{where}: not JSON in UTF-8 ({error})") from error
    if not isinstance(raw, dict):
        raise BadRecord(f"{where}: a record is a JSON object, this is {type(raw).__name__}")
    hints = get_type_hints(kind)
    names = {f.name for f in fields(kind)}
    unknown = sorted(set(raw) - names)
    if unknown:
        raise BadRecord(f"{where}: a {kind.__name__} has no key {unknown[0]!r}")
    values = {}
    for key, value in raw.items():
        values[key] = _cast(value, hints[key], f"{where}: key {key!r}")
    try:
        return kind(**values)
    except TypeError as error:
        missing = sorted(f.name for f in fields(kind) if _required(f) and f.name not in values)
        raise BadRecord(f"{where}: a {kind.__name__} needs the key {missing[0]!r}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _required(f: Any) -> bool:
    from dataclasses import MISSING

    return f.default is MISSING and f.default_factory is MISSING


def _cast(value: Any, hint: Any, where: str) -> Any:
    """Check a JSON value against one of the few type forms that records use."""
    from types import NoneType, UnionType
    from typing import Union, get_args, get_origin

    origin, args = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        if value is None and NoneType in args:
            return None
        return _cast(value, next(a for a in args if a is not NoneType), where)
    if origin is Literal:
        if value not in args:
            raise BadRecord(f"{where} is {value!r}, not one of {', '.join(map(repr, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise BadRecord(f"{where} is {value!r}, not a list")
        if Ellipsis not in args:
            if len(value) != len(args):
                raise BadRecord(f"{where} is {value!r}, not a list of {len(args)}")
            return tuple(_cast(item, of, where) for item, of in zip(value, args, strict=True))
        return tuple(_cast(item, args[0], where) for item in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise BadRecord(f"{where} is {value!r}, not an object")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise BadRecord(f"{where} is {value!r}, not {hint.__name__}")
    return value
