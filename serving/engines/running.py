"""A batch under way: which row is whose, what each has said, and which comparisons have all their answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from serving.core.engine import Output
from serving.engines.jobs import Job
from serving.engines.model import Model, Row
from zoo.asking import Finish
from zoo.sentences import whole_sentences


@dataclass
class _Answer:
    job: Job
    number: int
    """Row of its comparison."""
    load: int
    slot: int
    text: str = field(default="", repr=False)
    tokens: int = 0
    finish: Finish | None = None
    ended: float = 0.0


class Running:
    """Comparisons that answer in one batch of a model. For the engine's thread alone."""

    def __init__(self, model: Model, jobs: Sequence[tuple[Job, Any]], *, clock: Callable[[], float]) -> None:
        """`jobs` come with the features of their images; each holds its adapters."""
        self.jobs = tuple(job for job, _ in jobs)
        """All that began in this batch; their slots are in use until it is over."""
        self.open = list(self.jobs)
        """Those that are yet to end."""
        self.began = clock()
        self._model, self._clock = model, clock
        features = dict(jobs)
        answers = [answer for job in self.jobs for answer in _answers(job)]
        # Rows whose slots follow one another need no copy of their weights (`AdapterBank.pick`).
        self._answers = sorted(answers, key=lambda answer: answer.slot)
        self._batch = model.begin(
            [
                Row(features[one.job], one.job.work.turns, one.slot, one.job.work.sampling)
                for one in self._answers
            ]
        )

    @property
    def size(self) -> int:
        """Rows that it began with."""
        return len(self._answers)

    @property
    def rows(self) -> int:
        """Rows that still answer."""
        return len(self._batch.open)

    def step(self) -> int:
        """One step of the model; listeners are told what their rows said. Returns how many tokens it gave."""
        before = sum(answer.tokens for answer in self._answers)
        said = self._batch.step()
        now = self._clock()
        for job in self.jobs if said else ():
            if job.first_token is None:
                job.first_token = now
        for piece in said:
            answer = self._answers[piece.row]
            answer.text += piece.text
            answer.tokens, answer.finish, answer.ended = piece.tokens, piece.finish, now
            answer.job.tell(replace(piece, row=answer.number))
        return sum(answer.tokens for answer in self._answers) - before

    def drop(self, job: Job) -> None:
        """Free the rows of a comparison whose answers nobody wants."""
        for row in self._batch.open:
            if self._answers[row].job is job:
                self._batch.drop(row)
        self.open.remove(job)

    def close(self) -> None:
        """No row of it answers any more."""
        for row in self._batch.open:
            self._batch.drop(row)

    def ended(self) -> list[tuple[Job, tuple[Output, ...]]]:
        """Comparisons that have just got the last of their answers, with all of them in the order asked."""
        waiting = {answer.job for answer in self._answers if answer.finish is None}
        done = [job for job in self.open if job not in waiting]
        self.open = [job for job in self.open if job in waiting]
        return [(job, self._outputs(job)) for job in done]

    def _outputs(self, job: Job) -> tuple[Output, ...]:
        mine = [(row, one) for row, one in enumerate(self._answers) if one.job is job]
        return tuple(self._output(row, one) for row, one in sorted(mine, key=lambda pair: pair[1].number))

    def _output(self, row: int, one: _Answer) -> Output:
        text = one.text if one.finish == "stop" else whole_sentences(one.text)
        return Output(
            text=text,
            tokens=one.tokens,
            prompt_tokens=self._batch.prompt_tokens[row],
            finish=one.finish or "length",
            left_off=len(one.text) - len(text),
            first_token_ms=((one.job.first_token or one.ended) - one.job.submitted) * 1000,
            milliseconds=(one.ended - one.job.submitted) * 1000,
            load=one.load,
            digest=(self._model.digest(one.slot) or "") if one.slot else "",
        )


def _answers(job: Job) -> list[_Answer]:
    asked = [job.load_of(adapter) for adapter in job.work.adapters]
    return [
        _Answer(job, number, load.number if load else 0, load.slot if load else 0)
        for number, load in enumerate(asked)
    ]
