"""The questions of an uploaded archive, before a picture is looked at: `cases.csv` (columns images, question,
and if wanted reference, modality, id), as any spreadsheet saves it, or `questions.jsonl`.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from serving.annotations.archive import Faults, Files
from zoo.errors import BadRecord
from zoo.lexicon import error_types
from zoo.records import Prediction, Question, parse_line

CSV_NAME, QUESTIONS_NAME = "cases.csv", "questions.jsonl"
REQUIRED, OPTIONAL = ("images", "question"), ("reference", "modality", "id")
SPLIT = "rated"
LONGEST_ID, LONGEST_MODALITY = 80, 16

Key = tuple[str, str, str]
"""Data set, split and id of a question."""
Line = TypeVar("Line", Question, Prediction)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A question before its pictures are read."""

    where: str
    question: Question
    modality: str = ""


def read_rows(files: Files, faults: Faults) -> tuple[list[Row], bool]:
    """The questions in order, and whether they come from a table."""
    there = [name for name in (CSV_NAME, QUESTIONS_NAME) if name in files]
    if len(there) != 1:
        faults.add(f"the archive needs {CSV_NAME} or {QUESTIONS_NAME}, one of them; it has {len(there)}")
        return [], False
    told = len(faults)
    rows = list(_from_csv(files, faults) if there == [CSV_NAME] else _from_jsonl(files, faults))
    if not rows and len(faults) == told:
        faults.add(f"{there[0]}: it has no case")
    seen: dict[Key, str] = {}
    for row in rows:
        one = row.question
        key = (one.dataset, one.split, one.id)
        if key in seen:
            faults.add(f"{row.where}, column id: {one.id[:LONGEST_ID]!r} is there already, in {seen[key]}")
        seen.setdefault(key, row.where)
        if not one.prompt.strip():
            faults.add(f"{row.where}, column question: it is empty")
        if not one.images:
            faults.add(f"{row.where}, column images: no image is named")
        if len(one.id) > LONGEST_ID:
            faults.add(f"{row.where}, column id: it has more than {LONGEST_ID} characters")
        if len(row.modality) > LONGEST_MODALITY:
            faults.add(f"{row.where}, column modality: it has more than {LONGEST_MODALITY} characters")
    return rows, there == [CSV_NAME]


def _from_csv(files: Files, faults: Faults) -> Iterator[Row]:
    data = files.read(CSV_NAME)
    if data is None:
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        faults.add(f"{CSV_NAME}: it is not in UTF-8; in Excel save it as `CSV UTF-8`")
        return
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):  # which Excel writes for itself
        first, text = rest.partition("\n")[0], rest
    mark = max(",;\t", key=first.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        columns = [name.strip().lower() for name in next(table, [])]
        wrong = [name for name in columns if name not in REQUIRED + OPTIONAL or columns.count(name) > 1]
        for name in dict.fromkeys(wrong):
            faults.add(f"{CSV_NAME}, row 1: no column may be called {name[:40]!r}, or it is there twice")
        for name in REQUIRED:
            if name not in columns:
                faults.add(f"{CSV_NAME}, row 1: there is no column {name!r}")
        if wrong or not set(REQUIRED) <= set(columns):
            return
        for number, cells in enumerate(table, start=2):
            where = f"{CSV_NAME}, row {number}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                faults.add(f"{where}: it has {len(cells)} cells and row 1 has {len(columns)}")
                continue
            yield _row(dict(zip(columns, map(str.strip, cells), strict=True)), where, str(number - 1), files)
    except csv.Error:
        faults.add(f"{CSV_NAME}, about row {table.line_num}: its quotes do not close, or it is no table")


def _row(cells: Mapping[str, str], where: str, number: str, files: Files) -> Row:
    named = cells["images"]
    names = [named] if named in files else named.split(";") if ";" in named else named.split()
    question = Question(
        id=cells.get("id") or number,
        dataset="",
        split=SPLIT,
        images=tuple(name.strip() for name in names if name.strip()),
        prompt=cells["question"],
        answer=cells.get("reference", ""),
        answer_type="open",
        question_type="",
        error_types=error_types((cells["question"], cells.get("reference", ""))),
    )
    return Row(where=where, question=question, modality=cells.get("modality", ""))


def _from_jsonl(files: Files, faults: Faults) -> Iterator[Row]:
    for where, question in read_lines(files, QUESTIONS_NAME, Question, faults):
        yield Row(where=where, question=question)


def read_lines(files: Files, name: str, kind: type[Line], faults: Faults) -> Iterator[tuple[str, Line]]:
    """Where each record of a file stands, and the record."""
    for number, line in enumerate((files.read(name) or b"").splitlines(), start=1):
        where = f"{name}, row {number}"
        if line.strip():
            try:
                yield where, parse_line(line, kind, where=where)
            except BadRecord as error:
                faults.add(error.message)
