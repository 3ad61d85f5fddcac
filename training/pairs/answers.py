"""Answers from a file, where the base is too weak or not at hand: a policy that can only be quoted.

One JSON object a line: `{"question_id": ..., "answers": ["greedy", "sample", ...]}`. It sees no images: where
a step asks about a rejected image, the file's answers must be those to that image.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.pairs.step import Heat, Request
from zoo.errors import BadInput, BadRecord


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    question_id: str
    answers: list[str] = Field(min_length=1)


class FileAnswers:
    """The answers of a file, by question id: the first is the greedy one, the first n are n samples."""

    can_judge = False

    def __init__(self, path: Path) -> None:
        """Read them all.

        Raises:
            BadRecord: there is no such file, a line is not of the shape, or two are of one question.
        """
        if not path.is_file():
            raise BadRecord(f"no such file: {path}")
        content = path.read_bytes()
        self.name = f"answers of {path.name} sha256:{hashlib.sha256(content).hexdigest()[:12]}"
        self._path = path
        self._answers: dict[str, list[str]] = {}
        for number, text in enumerate(content.splitlines(), start=1):
            if not text.strip():
                continue
            try:
                line = _Line.model_validate_json(text)
            except ValidationError as error:
                wrong = error.errors()[0]
                where = ".".join(map(str, wrong["loc"])) or "line"
                raise BadRecord(
                    f"{path}:{number}: {where}: {wrong['msg']}",
                    hint=json.dumps({"question_id": "ID", "answers": ["GREEDY", "SAMPLE"]}),
                ) from error
            if line.question_id in self._answers:
                raise BadRecord(f"{path}:{number}: a second line for the question {line.question_id!r}")
            self._answers[line.question_id] = line.answers

    def answers(self, requests: Sequence[Request]) -> list[str]:
        """The first answer to each question.

        Raises:
            BadRecord: a question has no line.
        """
        return [texts[0] for texts in self.samples(requests, n=1, temperature=0.0)]

    def samples(
        self, requests: Sequence[Request], *, n: int, temperature: float, top_p: float = 1.0
    ) -> list[list[str]]:
        """The first `n` answers to each question, at whatever temperature they were sampled.

        Raises:
            BadRecord: a question has no line, or fewer answers.
        """
        ids = list(dict.fromkeys(request.question_id for request in requests))
        missing = [question for question in ids if question not in self._answers]
        if missing:
            raise BadRecord(
                f"{self._path} has no answers to {len(missing)} of {len(ids)} questions, "
                f"the first of them {missing[0]!r}",
                hint="add a line for each of them, or ask fewer with --limit",
            )
        short = [question for question in ids if len(self._answers[question]) < n]
        if short:
            raise BadRecord(
                f"{self._path} has {len(self._answers[short[0]])} answers to {short[0]!r}, and {n} are asked "
                f"for; {len(short)} of {len(ids)} questions have too few"
            )
        return [self._answers[request.question_id][:n] for request in requests]

    def attention(self, requests: Sequence[Request]) -> list[Heat]:
        """None: a file does not look.

        Raises:
            BadInput: always.
        """
        raise BadInput(
            f"{self._path} holds answers and no attention",
            hint="take the region from masks, boxes or heat maps instead, or load the base",
        )
