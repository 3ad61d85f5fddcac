"""Raw records of any data set -> Questions, with the same cleaning for all; and files out of a folder.

It knows no data set's layout. What cannot become a question is left out and counted by reason; what is not
what its layout promises raises, with the record's id.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

import PIL.Image

from zoo.datasets import OpenImage
from zoo.errors import BadImage, BadInput, BadRecord
from zoo.images import open_image
from zoo.lexicon import error_types
from zoo.records import AnswerType, Question

YES_NO = ("Yes", "No")


@dataclass(kw_only=True)
class Reading:
    """The questions of one split as they are read, and what was left out."""

    dataset: str
    split: str
    questions: list[Question] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        key: str,
        *,
        images: Sequence[str],
        prompt: Any,
        answer: Any,
        answer_type: Any,
        question_type: Any,
        options: tuple[str, ...] = (),
    ) -> bool:
        """Take a record, `key` being its id, or leave it out for want of a prompt or answer; True if taken.

        Blanks around texts go. A closed question answered yes or no gets the options Yes and No, and its
        answer is written as one of them.

        Raises:
            BadRecord: an answer type other than closed, open or report in any case, or an unsafe image name.
        """
        prompt, answer = str(prompt or "").strip(), str("" if answer is None else answer).strip()
        if not prompt or not answer:
            self.left_out["no question or no answer"] += 1
            return False
        kind = normal_answer_type(answer_type, key)
        plain = answer.rstrip(". ").capitalize()
        if kind == "closed" and plain in YES_NO:
            answer, options = plain, YES_NO
        self.questions.append(
            Question(
                id=key,
                dataset=self.dataset,
                split=self.split,
                images=tuple(safe_name(image, key) for image in images),
                prompt=prompt,
                answer=answer,
                answer_type=kind,
                question_type=str(question_type or "").strip() or kind,
                options=options,
                error_types=error_types([prompt, answer]),
            )
        )
        return True

    def notes(self) -> tuple[str, ...]:
        """What was left out, one note a reason."""
        return tuple(f"left out {count}: {reason}" for reason, count in sorted(self.left_out.items()))


def normal_answer_type(raw: Any, key: str) -> AnswerType:
    """`closed`, `open` or `report` from any case, with blanks around it."""
    kind = str(raw).strip().lower()
    if kind not in ("closed", "open", "report"):
        raise BadRecord(f"{key}: its answer type is {raw!r}, not closed, open or report")
    return cast(AnswerType, kind)


def yes_no_or_open(answer: Any) -> AnswerType:
    """The answer type of a record that does not state it."""
    return "closed" if str(answer).strip(" .").lower() in ("yes", "no") else "open"


def safe_name(name: Any, key: str) -> str:
    """A picture's name that stays within its folder.

    Raises:
        BadRecord: it is empty, absolute or climbs out.
    """
    path = PurePosixPath(str(name or ""))
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise BadRecord(f"{key}: its image {name!r} is not a name within the data set's folder")
    return path.as_posix()


def pictures_in(folder: Path) -> OpenImage:
    """Opens pictures of a folder by their names relative to it."""

    def opened(name: str) -> PIL.Image.Image:
        try:
            return open_image(folder / safe_name(name, name))
        except BadImage as error:
            if name in error.message:
                raise
            raise type(error)(f"{name}: {error.message}", hint=error.hint) from error

    return opened


def first_of(folder: Path, names: Iterable[str], *, layout: str) -> Path:
    """The first of several names that the folder has.

    Raises:
        BadInput: it has none of them.
    """
    names = tuple(names)
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise BadInput(f"{folder} has no {' or '.join(names)}", hint=f"it is to hold {layout}")


def read_list(path: Path) -> list[dict[str, Any]]:
    """A JSON file that holds a list of objects.

    Raises:
        BadRecord: it does not.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadRecord(f"{path}: not JSON in UTF-8 ({error})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadRecord(f"{path} is not a list of objects")
    return rows


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A file of JSON lines, each an object.

    Raises:
        BadRecord: a line is none; the message names it.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadRecord(f"{path}:{number}: not JSON in UTF-8 ({error})") from error
        if not isinstance(row, dict):
            raise BadRecord(f"{path}:{number} is {row!r}, not an object")
        rows.append(row)
    return rows


def value(row: dict[str, Any], key: str, where: str) -> Any:
    """`row[key]`.

    Raises:
        BadRecord: the record lacks it.
    """
    if key not in row:
        raise BadRecord(f"{where}: the record lacks the key {key!r}")
    return row[key]
