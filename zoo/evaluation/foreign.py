"""Answers in the form of LLaVA-Med's evaluation, to and from the zoo's predictions.

Answers, a JSON object a line or a list of them, one model a file, perhaps in several files of chunks:

    question_id, text: the model's answer; prompt; answer: the truth; answer_type: in any case, with blanks
    around it; model_id; other keys are not read

Questions, likewise, in LLaVA-Med's form or as its evaluation asks them:

    id, image, conversations: [{from: human, value}, {from: gpt, value: the truth}], answer_type
    question_id, image, text: the prompt, answer or gpt4_answer: the truth, answer_type

What an answer states counts before what its question states; where both give the truth, it must be the same.
Without questions the pictures are not known: then each question counts as one of its own, so that intervals
over many questions about one picture come out too narrow. Options are not in these forms: closed questions
are scored by yes and no, others by the same words. Every row that cannot be read is named; none is skipped.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.datasets._rows import YES_NO, normal_answer_type, safe_name
from zoo.errors import BadInput, BadRecord
from zoo.lexicon import error_types
from zoo.records import AnswerType, Prediction

Row = Mapping[str, Any]
IMAGE_TOKEN = "<image>"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Whose answers to which benchmark a file holds."""

    dataset: str
    split: str
    base: str
    """`name@revision` of the base, as far as it is known."""
    adapter: str = ""
    """Empty for the name that the rows give, `model_id`."""
    variant: str = ""
    """Empty for the adapter's name."""
    answer_type: AnswerType | None = None
    """Of rows that state none."""


def read_foreign(answers: Sequence[Path], questions: Path | None, source: Source) -> list[Prediction]:
    """The answers in those files, in their order.

    Raises:
        BadRecord: rows that cannot be read, each named with its line and reason.
        BadInput: questions without an answer, or several models in the files and no `adapter`.
    """
    faults: list[str] = []
    asked = _by_id(_rows([questions], faults), ("id", "question_id"), faults) if questions else None
    found = _by_id(_rows(answers, faults), ("question_id",), faults)
    adapter = source.adapter or _model(row for _, row in found.values())
    predictions = []
    for key, (where, row) in found.items():
        try:
            question = {} if asked is None else _question(asked, key)
            predictions.append(_prediction(key, row, question, adapter, source))
        except BadRecord as error:
            faults.append(f"{where}: {error.message}")
    if faults:
        raise BadRecord("\n".join([f"{len(faults)} rows cannot be read:", *faults]))
    if asked and (left := [key for key in asked if key not in found]):
        raise BadInput(
            f"{len(left)} of the {len(asked)} questions have no answer, such as {left[0]}",
            hint="give every file of answers, and the questions that were asked",
        )
    if not predictions:
        raise BadInput(f"there are no answers in {', '.join(map(str, answers))}")
    return predictions


def write_foreign(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write one adapter's answers in LLaVA-Med's form, as JSON lines."""
    rows = (
        {
            "question_id": p.question_id,
            "prompt": p.prompt,
            "text": p.answer,
            "answer": p.truth,
            "answer_type": p.answer_type.upper(),
            "model_id": p.adapter,
            "metadata": {},
        }
        for p in predictions
    )
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _rows(files: Iterable[Path], faults: list[str]) -> Iterator[tuple[str, Row]]:
    """Every row with the place where it stands; what is no row becomes a fault."""
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{file} cannot be read as UTF-8 text: {error}") from None
        for where, raw in _values(file, text):
            try:
                row = json.loads(raw) if isinstance(raw, str) else raw
            except ValueError as error:
                faults.append(f"{where}: not JSON ({error})")
                continue
            if isinstance(row, dict):
                yield where, row
            else:
                faults.append(f"{where}: a row is a JSON object, this is {type(row).__name__}")


def _values(file: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Lines as they stand, or the items of the one list that a file is."""
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError as error:
            raise BadRecord(f"{file}: begins as a JSON list and is none ({error})") from None
        yield from ((f"{file}, item {number}", item) for number, item in enumerate(items, start=1))
    else:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield f"{file}:{number}", line


def _by_id(
    rows: Iterable[tuple[str, Row]], keys: Sequence[str], faults: list[str]
) -> dict[str, tuple[str, Row]]:
    found: dict[str, tuple[str, Row]] = {}
    for where, row in rows:
        raw = next((row[key] for key in keys if key in row), None)
        if isinstance(raw, bool) or not isinstance(raw, int | str) or not str(raw).strip():
            faults.append(f"{where}: its {keys[-1]} is {raw!r}, not a number or text")
        elif (key := str(raw).strip()) in found:
            faults.append(f"{where}: the {keys[-1]} {key} stands in {found[key][0]} already")
        else:
            found[key] = where, row
    return found


def _model(rows: Iterable[Row]) -> str:
    named = sorted({str(row.get("model_id") or "none") for row in rows})
    if len(named) != 1 or named == ["none"]:
        raise BadInput(f"the rows' model_id is {', '.join(named)}", hint="name the model: --adapter NAME")
    return named[0]


def _question(asked: Mapping[str, tuple[str, Row]], key: str) -> dict[str, Any]:
    """What the file of questions says of one: prompt, answer, answer_type and image, where it does."""
    if key not in asked:
        raise BadRecord(f"no question has the id {key}")
    row = asked[key][1]
    said: dict[str, Any] = {}
    turns = row.get("conversations", row.get("conversatons", []))  # so spelled in released files
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise BadRecord(f"the conversations of question {key} are no list of turns")
    for turn in turns:
        said.setdefault(str(turn.get("from")), turn.get("value"))
    return {
        "prompt": row.get("text", said.get("human")),
        "answer": row.get("answer", row.get("gpt4_answer", said.get("gpt"))),
        "answer_type": row.get("answer_type"),
        "image": row.get("image"),
    }


def _prediction(key: str, row: Row, question: Row, adapter: str, source: Source) -> Prediction:
    def text(name: str) -> str:
        value = row.get(name) if row.get(name) is not None else question.get(name)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise BadRecord(f"its {name} is {value!r}, not a text")
        return str(value).replace(IMAGE_TOKEN, "").strip()

    truth, prompt = text("answer"), text("prompt")
    if not truth or not prompt:
        raise BadRecord(f"its {'prompt' if truth else 'answer'} is empty")
    known = question.get("answer")
    if known is not None and str(known).strip().lower() != truth.lower():
        raise BadRecord(
            f"its answer is {truth[:40]!r}, that of question {key} is {str(known).strip()[:40]!r}"
        )
    if not isinstance(row.get("text"), str):
        raise BadRecord(f"its text is {row.get('text')!r}, not a text")
    stated = row.get("answer_type") or question.get("answer_type") or source.answer_type
    if not stated:
        raise BadRecord("its answer_type is stated nowhere: give the one of such rows with --answer-type")
    kind = normal_answer_type(stated, key)
    image = question.get("image") or row.get("image") or f"of-question/{key}"
    images = image if isinstance(image, list) else [image]
    yes_no = kind == "closed" and truth.rstrip(". ").capitalize() in YES_NO
    return Prediction(
        question_id=key,
        dataset=source.dataset,
        split=source.split,
        images=tuple(safe_name(one, key) for one in images),
        prompt=prompt,
        truth=truth,
        answer_type=kind,
        question_type=kind,
        options=YES_NO if yes_no else (),
        error_types=error_types([prompt, truth]),
        base=source.base,
        adapter=adapter,
        variant=source.variant or adapter,
        digest="",
        answer=row["text"],
        tokens=0,
    )
