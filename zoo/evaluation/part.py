"""An evaluation under way, on disk: what decides it, and the answers so far, batch by batch.

A kill loses the batch that was asked, no more. Knows no model.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Final

from zoo.errors import BadInput
from zoo.evaluation.asked import Asked
from zoo.records import PREDICTIONS_NAME, Prediction, read_jsonl, to_line

PART_NAME: Final = "predictions.part.jsonl"
JOB_NAME: Final = "job.json"
_DIGEST = re.compile(r"([0-9a-f]{12})[0-9a-f]{28,}")


class Part:
    """The answers so far, in the order in which they were given; more can be added."""

    def __init__(self, file: FileIO, answers: Sequence[Prediction], dropped: int) -> None:
        self._file = file
        self.answers = list(answers)
        self.dropped = dropped
        """Lines that were cut off, by a kill while a batch was written; it is asked again."""

    def add(self, answers: Sequence[Prediction]) -> None:
        """Keep a batch.

        Raises:
            BadInput: there is no room for it; what was kept before stays.
        """
        left = memoryview("".join(map(to_line, answers)).encode())
        with kept(Path(self._file.name).parent):
            while left:
                left = left[self._file.write(left) :]
        self.answers += answers


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Tell of a disk that is full, or of another reason why nothing can be written into `folder`.

    Raises:
        BadInput: so it is.
    """
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{folder}: {error.strerror}; the answers so far are kept",
            hint="make room and type the same command again: it goes on from there",
        ) from error


@contextmanager
def opened(
    folder: Path, job: Mapping[str, Any], batches: Sequence[Sequence[Asked]], adapters: Sequence[str]
) -> Iterator[Part]:
    """The part in `folder` to go on with, or a new one. `job` is all that decides the answers, as JSON; of
    each batch every one of `adapters` answers every question.

    Raises:
        BadInput: the folder holds a finished evaluation or another one, or another process is at work there.
    """
    check_unfinished(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / PART_NAME).open("ab", buffering=0) as file:  # so that a full disk is told at once
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"another process is evaluating into {folder}", hint="wait for it, or choose another --out"
            ) from None
        _check_job(folder / JOB_NAME, json.loads(json.dumps(job)))  # of two that begin at once one names it
        dropped = _cut_last_line(folder / PART_NAME)
        answers = read_jsonl(folder / PART_NAME, Prediction)
        whole = _whole_batches(folder, answers, batches, adapters)
        dropped += len(answers) - whole
        os.truncate(folder / PART_NAME, sum(len(to_line(answer).encode()) for answer in answers[:whole]))
        yield Part(file, answers[:whole], dropped)


def check_unfinished(folder: Path) -> None:
    """Refuse a folder that holds a finished evaluation.

    Raises:
        BadInput: it does.
    """
    if (folder / PREDICTIONS_NAME).exists():
        raise BadInput(
            f"{folder / PREDICTIONS_NAME} exists already: what was asked there is answered",
            hint=f"choose another --out, or score it: medzoo score {folder / PREDICTIONS_NAME}",
        )


def finish(folder: Path) -> None:
    """Take away what an evaluation leaves while it is under way."""
    for name in (PART_NAME, JOB_NAME):
        (folder / name).unlink(missing_ok=True)


def _check_job(path: Path, job: Mapping[str, Any]) -> None:
    if path.exists():
        try:
            was = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadInput(f"{path} is not JSON ({error})", hint="choose another --out") from error
        for key in {**job, **was}:
            if was.get(key) != job.get(key):
                raise BadInput(
                    f"{key}: {short(job.get(key))} here, and {short(was.get(key))} in the evaluation "
                    f"under way in {path.parent}",
                    hint=f"go on with the command of that one, choose another --out, or rm -r {path.parent}",
                )
        return
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(job, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)


def short(value: Any) -> str:
    """A value of a job for people; of each digest its beginning."""
    return _DIGEST.sub(r"\1", value if isinstance(value, str) else json.dumps(value))


def _cut_last_line(path: Path) -> int:
    """Cut off a last line that has no end; how many lines that were."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        at = size
        while at:
            start = max(0, at - 2**16)
            file.seek(start)
            newline = file.read(at - start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        file.truncate(at)
        return int(at < size)


def _whole_batches(
    folder: Path, answers: Sequence[Prediction], batches: Sequence[Sequence[Asked]], adapters: Sequence[str]
) -> int:
    """How many of the answers are of batches that are whole.

    Raises:
        BadInput: they are not those that this evaluation gives.
    """
    whole = at = 0
    for batch in batches:
        for adapter in adapters:
            for one in batch:
                if at == len(answers):
                    return whole
                answer = answers[at]
                if (answer.adapter, answer.dataset, answer.split, answer.shown, answer.question_id) != (
                    adapter,
                    *one.key,
                ):
                    raise BadInput(
                        f"{folder / PART_NAME}:{at + 1} is {answer.adapter}'s answer to {answer.question_id} "
                        f"where {adapter}'s to {one.question.id} is due",
                        hint=f"choose another --out, or rm -r {folder}",
                    )
                at += 1
        whole = at
    return whole
