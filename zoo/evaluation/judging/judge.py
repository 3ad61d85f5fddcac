"""What a judge is, and what it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zoo.records import Prediction, Task

Facts = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """An answer to be judged."""

    prediction: Prediction
    facts: Facts = ()
    """The truth's atomic facts, where the task is `facts`; at least one."""


class Judge(Protocol):
    """Whoever says something of answers."""

    def name(self, task: Task) -> str:
        """Who judges, with name and version of what is asked."""

    def split(self, predictions: Sequence[Prediction]) -> list[Facts | None]:
        """The atomic facts of each prediction's truth; None where it could not be split."""

    def replies(self, task: Task, cases: Sequence[Case]) -> list[str]:
        """What the judge says of each answer, in the task's form; whatever came where it kept to none."""
