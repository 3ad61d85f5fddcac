"""What runs next: who gets slots, what is loaded ahead, and which comparisons make the next batch.

A comparison waits in a fair queue (`serving.core.fairness`), is placed when all its slots can be had at once,
is ready when all its adapters are loaded, and runs in one batch with others that are ready: whole, so that
its image is encoded once. It decides only: it is told the time, runs nothing, and its caller sees to it
that one thread at a time calls it.

Nobody starves. Rows go strictly in turn: the first that is ready and does not fit keeps those behind it
waiting. Slots do not, or an adapter that needs a load would hold up those that are loaded; but past one that
no slots could be had for, at most `PATIENCE` comparisons go that keep slots in use.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from serving.core.fairness import FairQueue, Wanting
from serving.core.registry import Fresh, Hold, Registry
from zoo.errors import Busy

PATIENCE = 16


class Schedulable(Wanting, Protocol):
    """A comparison, or the loading of an adapter for its own sake, which wants no rows."""

    hold: Hold | None
    """Set when it is placed; the caller releases it when the comparison has ended."""
    ready_at: float | None
    """Set when it is ready."""
    alone: bool
    """True if it must have a batch for itself."""


Job = TypeVar("Job", bound=Schedulable)


class Scheduler(Generic[Job]):
    """At most `max_rows` answers at once in at most `max_batches` batches; one that is ready waits up to
    `window_s` for others to come with it."""

    def __init__(self, registry: Registry, *, max_rows: int, max_batches: int, window_s: float) -> None:
        self._registry = registry
        self._max_rows, self._max_batches, self._window_s = max_rows, max_batches, window_s
        self._queue: FairQueue[Job] = FairQueue()
        self._placed: list[Job] = []
        self._passed: dict[Job, int] = {}
        """How many went past each that no slots could be had for."""

    @property
    def waiting(self) -> tuple[Job, ...]:
        """Everything that does not run yet."""
        return (*self._placed, *self._queue)

    def add(self, job: Job) -> None:
        """Let it wait."""
        self._queue.add(job)

    def again(self, job: Job) -> None:
        """Run one that holds its slots once more, before all others and alone."""
        job.alone = True
        self._placed.insert(0, job)

    def remove(self, job: Job) -> None:
        """It waits no longer; its hold, if it has one, stays the caller's to release."""
        self._passed.pop(job, None)
        if job in self._placed:
            self._placed.remove(job)
        else:
            self._queue.remove(job)

    def place(self, *, now: float) -> list[tuple[Job, Fresh]]:
        """Give slots to those whose turn it is, as many as the next batches can take.

        Returns:
            What must be loaded, in this order, each with a comparison that asks it.
        """
        loads: list[tuple[Job, Fresh]] = []
        rows = {True: 0, False: 0}  # placed: of those that are loaded, and of those that wait for a load
        for job in self._placed:
            rows[job.ready_at is not None] += job.rows
        starved: list[Job] = []
        for job in self._queue.order():
            ready = self._registry.is_ready(job.adapters)
            if rows[ready] >= self._max_rows:
                continue
            waits = bool(starved) and (not ready or self._patience_is_over(starved)) and bool(job.adapters)
            grant = None if waits else self._registry.acquire(job.adapters, now=now)
            if grant is None:
                starved.append(job)
                continue
            if job.adapters:
                for one in starved:
                    self._passed[one] = self._passed.get(one, 0) + 1
            self._passed.pop(job, None)
            self._queue.serve(job)
            job.hold, job.ready_at = grant.hold, now if ready else None
            self._placed.append(job)
            rows[ready] += job.rows
            loads += [(job, fresh) for fresh in grant.fresh]
        return loads

    def _patience_is_over(self, starved: Iterable[Job]) -> bool:
        return any(self._passed.get(job, 0) >= PATIENCE for job in starved)

    def loaded(self, *, now: float) -> list[Job]:
        """Note who is ready now; those that wanted no rows have all they wanted and wait no longer."""
        for job in self._placed:
            if job.ready_at is None and job.hold is not None and self._registry.holds(job.hold):
                job.ready_at = now
        done = [job for job in self._placed if job.ready_at is not None and not job.rows]
        self._placed = [job for job in self._placed if job not in done]
        return done

    def start(self, *, now: float, rows: int, batches: int) -> list[Job]:
        """The next batch, if it is time for one while `rows` answers in `batches` batches are under way."""
        ready = [job for job in self._placed if job.ready_at is not None]
        free = self._max_rows - rows
        batch = fitting(ready, rows=free) if batches < self._max_batches else []
        full = len(batch) < len(ready) or sum(job.rows for job in batch) == free
        if not batch or not (full or batch[0].alone or now >= self._due(batch)):
            return []
        self._placed = [job for job in self._placed if job not in batch]
        return batch

    def due(self) -> float | None:
        """When a batch begins that still waits for company; None if nothing is ready."""
        ready = [job for job in self._placed if job.ready_at is not None]
        return self._due(ready) if ready else None

    def _due(self, ready: Iterable[Job]) -> float:
        return min(job.ready_at for job in ready if job.ready_at is not None) + self._window_s


def fitting(ready: Sequence[Job], *, rows: int) -> list[Job]:
    """The first of those that are ready and as many after it, in order and whole, as make up to `rows`; one
    that must be alone is a batch of its own."""
    batch: list[Job] = []
    for job in ready:
        rows -= job.rows
        if rows < 0 or (job.alone and batch):
            break
        batch.append(job)
        if job.alone:
            break
    return batch


def check_room(
    *, waiting_rows: int, own_rows: int, rows: int, max_waiting_rows: int, after_s: float = 5.0
) -> None:
    """Raise Busy if the queue has no room for so many more rows; an empty one takes
    any. The last quarter of it is for clients of whom nothing waits (`own_rows` is 0), so that no one client
    can fill it for all."""
    room = max_waiting_rows - (max_waiting_rows // 4 if own_rows else 0)
    if waiting_rows and waiting_rows + rows > room:
        raise Busy(
            f"the queue is full: {waiting_rows} answers wait, the limit is {room}",
            hint=f"ask again in {after_s:.0f} seconds",
            after_s=after_s,
        )
