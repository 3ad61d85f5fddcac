"""What runs next. Pure: it is told what waits and answers with a batch.

A comparison is kept whole: its rows run in one batch, so that the image is encoded once and its answers
come together. The oldest comparison always goes first, so none waits forever.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from serving.core.requests import AdapterId
from zoo.errors import Busy


class Waiting(Protocol):
    """A comparison that waits: one entry a row, None for the base."""

    @property
    def adapters(self) -> Sequence[AdapterId | None]:
        """The adapter of each row."""


Job = TypeVar("Job", bound=Waiting)


def next_batch(waiting: Sequence[Job], *, max_rows: int, max_adapters: int) -> list[Job]:
    """The oldest comparison and, in order, every later one that still fits: at most `max_rows` rows over
    at most `max_adapters` different adapters."""
    batch: list[Job] = []
    rows, adapters = 0, set[AdapterId]()
    for job in waiting:
        wanted = {adapter for adapter in job.adapters if adapter is not None}
        fits = rows + len(job.adapters) <= max_rows and len(adapters | wanted) <= max_adapters
        if fits or not batch:
            batch.append(job)
            rows += len(job.adapters)
            adapters |= wanted
    return batch


def check_room(*, waiting_rows: int, rows: int, max_waiting_rows: int) -> None:
    """Raise Busy if the queue has no room for so many more rows."""
    if waiting_rows + rows > max_waiting_rows:
        raise Busy(
            f"the queue is full: {waiting_rows} answers wait, the limit is {max_waiting_rows}",
            hint="ask again in a few seconds",
        )
