"""Rating offline: a blinded sheet for a spreadsheet, the key that unblinds it, and the sheet read back.

The scale is that of Kim et al. 2026, appendix D: how far an answer misreads the image (none, minor, severe),
or that the rater cannot judge it, and of which types its errors are. In a sheet the adapters of a question
stand behind letters, in an order drawn anew for each question; answers in the same words share a letter, so
nothing is rated twice. The key holds no text of question or answer. It knows nothing of agreement.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.errors import BadRecord
from zoo.evaluation.rated import ERROR_TYPES, SEVERITIES
from zoo.records import Prediction, Rating, Severity

CANNOT_JUDGE = "cannot judge"
KEY_ENDING = ".key.json"
COLUMNS = ("row", "images", "question", "true answer", "letter", "answer", "misunderstanding", "error types")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run when it stands first in a cell."""


class _Row(BaseModel):
    """What a sheet's row hides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    split: str
    question_id: str
    letter: str
    answer_sha256: str
    adapters: list[str]
    """Those that gave this answer."""


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: list[_Row]


def write_sheet(path: Path, predictions: Sequence[Prediction], *, questions: int | None, seed: int) -> int:
    """Write the sheet to `path` and its key beside it; return how many rows there are to rate.

    `questions` takes as many, drawn with the seed; without it all are taken, in drawn order.
    """
    dice = np.random.default_rng(seed)
    by_question: dict[tuple[str, str, str], list[Prediction]] = {}
    for p in predictions:
        if p.shown == "own":
            by_question.setdefault((p.dataset, p.split, p.question_id), []).append(p)
    keys = list(by_question)
    order = [keys[place] for place in dice.permutation(len(keys))][:questions]
    text = io.StringIO()
    sheet = csv.writer(text)
    sheet.writerow(COLUMNS)
    hidden: list[_Row] = []
    for question in order:
        by_answer: dict[str, list[Prediction]] = {}
        for p in by_question[question]:
            by_answer.setdefault(p.answer, []).append(p)
        answers = list(by_answer)
        for number, place in enumerate(dice.permutation(len(answers))):
            same = by_answer[answers[place]]
            p = same[0]
            row = _Row(
                dataset=p.dataset,
                split=p.split,
                question_id=p.question_id,
                letter=_letter(number),
                answer_sha256=p.answer_sha256,
                adapters=[one.adapter for one in same],
            )
            hidden.append(row)
            shown = (" ".join(p.images), p.prompt, p.truth, row.letter, p.answer)
            sheet.writerow([len(hidden), *map(harmless, shown), "", ""])
    _write(path.with_name(path.name + KEY_ENDING), _Key(rows=hidden).model_dump_json(indent=1) + "\n")
    _write(path, "\ufeff" + text.getvalue())  # the mark by which spreadsheets know UTF-8
    return len(hidden)


def read_sheet(path: Path, key_path: Path) -> list[Rating]:
    """The ratings in a filled sheet, a record an adapter; the rater is the file's name without `.csv`.

    Rows without a rating are left out, and rows may come in any order. Commas or semicolons between cells.

    Raises:
        BadRecord: the key is none, the sheet lacks a column, a row is not the key's, or a cell is no rating.
    """
    try:
        hidden = _Key.model_validate_json(key_path.read_text(encoding="utf-8")).rows
    except (OSError, ValueError, ValidationError) as error:
        raise BadRecord(
            f"{key_path} is no key of a sheet", hint="the file that `medzoo rate` wrote beside it"
        ) from error
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path} is not in UTF-8", hint="save it as CSV UTF-8") from error
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    needed = ("row", "letter", "misunderstanding", "error types")
    if missing := [name for name in needed if name not in (rows.fieldnames or ())]:
        raise BadRecord(f"{path}: there is no column {missing[0]!r}")
    found: list[Rating] = []
    for cells in rows:
        where = f"{path}: row {cells['row']}"
        severity = (cells["misunderstanding"] or "").strip().lower()
        kinds = (cells["error types"] or "").replace(",", " ").replace(";", " ").upper().split()
        if not severity and not kinds:
            continue
        number = int(cells["row"]) if (cells["row"] or "").isdecimal() else 0
        if not 1 <= number <= len(hidden) or hidden[number - 1].letter != cells["letter"]:
            raise BadRecord(f"{where}, letter {cells['letter']} is not in {key_path}")
        misunderstanding: Severity | None = None
        if severity in SEVERITIES:
            misunderstanding = severity
        elif severity != CANNOT_JUDGE:
            scale = ", ".join((*SEVERITIES, CANNOT_JUDGE))
            raise BadRecord(f"{where}: misunderstanding is {severity!r}", hint=f"one of {scale}")
        if odd := sorted(set(kinds) - set(ERROR_TYPES)):
            raise BadRecord(f"{where}: {odd[0]!r} is no error type", hint=f"of {', '.join(ERROR_TYPES)}")
        row = hidden[number - 1]
        found += [
            Rating(
                question_id=row.question_id,
                dataset=row.dataset,
                split=row.split,
                adapter=adapter,
                answer_sha256=row.answer_sha256,
                rater=path.stem,
                misunderstanding=misunderstanding,
                error_types=tuple(kind for kind in ERROR_TYPES if kind in kinds),
            )
            for adapter in row.adapters
        ]
    return found


def _letter(number: int) -> str:
    """A to Z, then AA, AB and so on."""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def harmless(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _write(path: Path, text: str) -> None:
    """In one atomic step."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="")
    os.replace(part, path)
