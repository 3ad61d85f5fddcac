"""An archive that an administrator uploads -> the cases of a work list, and answers to them if it holds any.

Its table is read by `rows.py`; beside it are the images, and perhaps `predictions.jsonl` with answers that
were made before. Names of files may be names of patients, so none is kept: a picture is its pixels, a
question is called by its id or its number.
"""

import hashlib
from dataclasses import dataclass

from serving.annotations.archive import Bounds, Faults, Files, shown
from serving.annotations.records import CaseAnswer, NewCase
from serving.annotations.rows import CSV_NAME, QUESTIONS_NAME, Key, Row, read_lines, read_rows
from zoo.errors import BadImage
from zoo.images import Limits, open_scan, strip
from zoo.records import PREDICTIONS_NAME, Prediction

MOST_ADAPTERS = 8
"""Whose answers are rated beside each other."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What an archive holds."""

    cases: tuple[NewCase, ...]
    adapters: tuple[str, ...] = ()
    """Whose answers it holds; empty if they are to be made."""
    answers: tuple[tuple[CaseAnswer, ...], ...] = ()
    """Those to each case, in the order of `adapters`."""


@dataclass(frozen=True)
class _Picture:
    data: bytes
    digest: str
    modality: str


def read_upload(
    data: bytes, *, limits: Limits, bounds: Bounds | None = None, repeats: bool = False
) -> Upload:
    """The cases of an archive, their pictures without identifiers, and the answers if it holds some.

    Raises:
        ImageTooLarge: the archive is beyond its bounds.
        BadInput: no ZIP archive, or all that is wrong in it, each with the file, the row and the column; or,
            unless `repeats` are meant, cases of the same pictures and the same question (param `repeats`).
    """
    faults = Faults()
    files = Files(data, bounds=bounds or Bounds(max_file=limits.max_bytes), faults=faults)
    files.below((CSV_NAME, QUESTIONS_NAME))
    rows, from_csv = read_rows(files, faults)
    pictures = _Pictures(files, limits, faults)
    made = [case for row in rows if (case := _case(row, pictures, faults)) is not None]
    said = (
        list(read_lines(files, PREDICTIONS_NAME, Prediction, faults)) if PREDICTIONS_NAME in files else None
    )
    for name in files.unread() if rows else ():
        faults.add(f"{shown(name)}: no case names this file")
    faults.raise_any()
    if not repeats:
        _check_repeats(rows, [case for case, _ in made])
    if from_csv:
        dataset = _dataset([case for case, _ in made])
        made = [(_named(case, dataset), digests) for case, digests in made]
    cases = tuple(case for case, _ in made)
    if said is None:
        return Upload(cases=cases)
    found = _answers(made, said, by_id=from_csv, faults=faults)
    faults.raise_any()
    return Upload(
        cases=cases,
        adapters=tuple(found),
        answers=tuple(tuple(of[_key(case)] for of in found.values()) for case in cases),
    )


class _Pictures:
    """The pictures of one archive, each read once."""

    def __init__(self, files: Files, limits: Limits, faults: Faults) -> None:
        self._files, self._limits, self._faults = files, limits, faults
        self._found: dict[str, _Picture | None] = {}

    def get(self, name: str, where: str) -> _Picture | None:
        """A picture by its file's name; None, and a fault, if it is not there or cannot be read."""
        name = name.replace("\\", "/").removeprefix("./")
        if name not in self._files:
            self._faults.add(f"{where}, column images: {shown(name)} is not in the archive")
            return None
        if name not in self._found:
            self._found[name] = self._read(name, where)
        return self._found[name]

    def _read(self, name: str, where: str) -> _Picture | None:
        from zoo.evaluation.pictures import pixels_digest  # torch: seconds to import

        data = self._files.read(name)
        if data is None:
            return None
        try:
            kept = strip(data, limits=self._limits)
            scan = open_scan(kept, limits=self._limits)
            return _Picture(kept, pixels_digest(scan.show()), scan.modality)
        except BadImage as error:
            self._faults.add(f"{where}, column images: {shown(name)}: {error.message}")
            return None


def _case(row: Row, pictures: _Pictures, faults: Faults) -> tuple[NewCase, tuple[str, ...]] | None:
    """A case, and the digest of each of its pictures."""
    found = [pictures.get(name, row.where) for name in row.question.images]
    there = [one for one in found if one is not None]
    if len(there) < len(found) or not there:
        return None
    one, digests = row.question, tuple(picture.digest for picture in there)
    prompt = one.prompt.strip()
    case = NewCase(
        question_id=one.id,
        dataset=one.dataset,
        split=one.split,
        prompt=prompt,
        pictures=tuple(picture.data for picture in there),
        case_sha256=_sha256("\n".join((*digests, prompt))),
        pictures_sha256=_sha256("\n".join(digests)),
        reference=one.answer,
        answer_type=one.answer_type,
        options=one.options,
        question_type=one.question_type,
        error_types=one.error_types,
        modality=row.modality or there[0].modality,
    )
    return case, digests


def _check_repeats(rows: list[Row], cases: list[NewCase]) -> None:
    """Raise BadInput, naming each case that shows and asks what an earlier one does."""
    first: dict[str, Row] = {}
    again = Faults()
    for row, case in zip(rows, cases, strict=True):
        before = first.setdefault(case.case_sha256, row)
        if before is not row:
            ids = f"{row.question.id!r} shows and asks the same as {before.question.id!r}"
            again.add(f"{row.where}: {ids}, {before.where}")
    again.raise_any(
        hint="leave them out; if they are meant, to measure a rater's agreement with themselves, say "
        "repeats=true",
        param="repeats",
    )


def _dataset(cases: list[NewCase]) -> str:
    """What the questions of a table are a data set of: by what is in them, so that two tables are told apart
    and one that is sent twice is the same."""
    return f"cases-{_sha256(' '.join(case.case_sha256 for case in cases))[:8]}"


def _named(case: NewCase, dataset: str) -> NewCase:
    return NewCase(**{**vars(case), "dataset": dataset})


def _key(case: NewCase) -> Key:
    return case.dataset, case.split, case.question_id


def _answers(
    made: list[tuple[NewCase, tuple[str, ...]]],
    said: list[tuple[str, Prediction]],
    *,
    by_id: bool,
    faults: Faults,
) -> dict[str, dict[Key, CaseAnswer]]:
    """Each adapter's answers by question. Answers to other questions, or under other pictures than a
    question's own, are not this list's."""
    asked = {("", "", case.question_id) if by_id else _key(case): (case, digests) for case, digests in made}
    found: dict[str, dict[Key, CaseAnswer]] = {}
    for where, one in said:
        key = ("", "", one.question_id) if by_id else (one.dataset, one.split, one.question_id)
        if key not in asked or one.shown != "own":
            continue
        case, digests = asked[key]
        of = found.setdefault(one.adapter, {})
        if _key(case) in of:
            faults.add(f"{where}: {one.adapter!r} has answered {one.question_id!r} already")
        if one.prompt.strip() != case.prompt:
            faults.add(f"{where}, column prompt: {one.question_id!r} asks something else")
        if one.shown_digests and one.shown_digests != digests:
            faults.add(f"{where}, column shown_digests: {one.question_id!r} has other pictures")
        answer = _answer(one)
        other = next(iter(of.values()), answer)
        if _who(other) != _who(answer):
            faults.add(f"{where}: {one.adapter!r} is another adapter than in earlier rows, by its weights")
        of[_key(case)] = answer
    if not 1 <= len(found) <= MOST_ADAPTERS:
        faults.add(f"{PREDICTIONS_NAME}: answers of {len(found)} adapters; 1 to {MOST_ADAPTERS} are rated")
    for adapter, of in found.items():
        for case, _ in made:
            if _key(case) not in of:
                faults.add(f"{PREDICTIONS_NAME}: {adapter!r} has no answer to {case.question_id!r}")
    return found


def _answer(one: Prediction) -> CaseAnswer:
    return CaseAnswer(
        adapter=one.adapter,
        variant=one.variant,
        repo=one.adapter if "/" in one.adapter else "",
        sha="",
        digest=one.digest,
        base=one.base,
        text=one.answer,
        answer_sha256=one.answer_sha256,
        finish=one.finish,
        tokens=one.tokens,
        seed=one.seed,
    )


def _who(answer: CaseAnswer) -> tuple[str, str, str]:
    return answer.variant, answer.digest, answer.base


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
