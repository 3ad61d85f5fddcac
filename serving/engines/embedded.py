"""The engine inside this process: one thread owns the model, another loads adapters into its slots.

The engine's thread goes round: end what was cancelled or is too late, give slots, begin a batch if it is time
for one, else take one step of the batch whose turn it is. Requests never join a batch under way. What runs
next is core's to decide; how the model works is behind `Model`. It writes no pixels and no text anywhere.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from traceback import format_tb
from typing import Any

from serving.core.engine import Look, OnDisk, Work
from serving.core.origin import on_behalf
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.core.scheduler import Scheduler, check_room
from serving.core.watch import Watch, guarded
from serving.engines.batches import Batches
from serving.engines.jobs import Job, named
from serving.engines.model import Model
from serving.engines.seen import Seen
from serving.engines.slots import Slots
from zoo.asking import Piece, Sampling
from zoo.errors import BadInput, DeadlinePassed, EngineFailed, Stopped, ZooError

log = logging.getLogger(__name__)

IDLE_S = 5.0
"""How often an idle engine looks for features that have expired."""
CLOSE_S = 60.0
"""Longest wait for the step and for the load under way when the engine is closed."""


class EmbeddedEngine:
    """Runs comparisons in batches on one model."""

    def __init__(
        self,
        model: Model,
        registry: Registry,
        *,
        slots: int,
        max_rows: int = 16,
        max_batches: int = 4,
        max_waiting_rows: int = 64,
        window_s: float = 0.003,
        feature_bytes: int = 256 * 1024 * 1024,
        feature_ttl_s: float = 600.0,
        host_bytes: int = 1024 * 1024 * 1024,
        together: bool = True,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """At most `max_rows` answers at once, in at most `max_batches` batches; one that could begin waits up
        to `window_s` for company. `host_bytes` of adapters' files and `feature_bytes` of vision features are
        kept in memory. Unless they may be put `together`, each comparison is a batch of its own."""
        self._together = together
        self._registry, self._clock, self._watch = registry, clock, guarded(watch or Watch())
        self._max_slots, self._max_rows, self._max_waiting_rows = slots, max_rows, max_waiting_rows
        self._changed = threading.Condition()
        """Guards the scheduler, the flags and what is open."""
        self._scheduler: Scheduler[Job] = Scheduler(
            registry, max_rows=max_rows, max_batches=max_batches, window_s=window_s
        )
        self._open: set[Job] = set()
        self._news = self._draining = self._closing = False
        self._slots = Slots(model, registry, host_bytes=host_bytes, watch=self._watch, changed=self._wake)
        self._seen = Seen(model, max_bytes=feature_bytes, ttl_s=feature_ttl_s)
        self._batches = Batches(
            model, self._slots, self._seen, end=self._end, again=self._again, watch=self._watch, clock=clock
        )
        self._began_last = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True while the engine takes work."""
        running = self._thread.is_alive() and self._slots.alive
        return running and not self._draining and not self._closing

    def submit(self, work: Work, on_piece: Callable[[Piece], None] | None = None) -> Job:
        """Take a comparison on; see `serving.core.engine.Engine`."""
        job = Job(work, rows=self._rows(work), submitted=self._clock(), on_piece=on_piece)
        job.alone = not self._together
        self._add(job)
        return job

    def look(self, work: Work) -> "Future[tuple[Look, ...]]":
        """Say where a comparison's adapters look; see `serving.core.engine.Engine`."""
        job = Job(work, rows=self._rows(work), looks=True, submitted=self._clock())
        self._add(job)
        return job.done

    def _rows(self, work: Work) -> int:
        rows, adapters = len(work.adapters), {one.id for one in work.adapters if one}
        if not rows or rows > self._max_rows or len(adapters) > self._max_slots:
            most = min(self._max_rows, self._max_slots)
            raise BadInput(f"{rows} adapters in one comparison, this engine runs at most {most}")
        return rows

    def check_room(self, *, rows: int, client: str) -> None:
        """Raise Busy or Stopped if so many rows could not wait; see `serving.core.engine.Engine`."""
        with self._changed:
            if not self.alive:
                raise Stopped("the engine is stopping and takes no more work", hint="start the server again")
            waiting = [one for one in self._scheduler.waiting if not one.done.cancelled()]
            waiting_rows = sum(one.rows for one in waiting)
            check_room(
                waiting_rows=waiting_rows,
                own_rows=sum(one.rows for one in waiting if one.client == client),
                rows=rows,
                max_waiting_rows=self._max_waiting_rows,
                after_s=min(60.0, max(1.0, waiting_rows * self._batches.row_s)),
            )

    def warm(self, adapter: OnDisk, *, pin: bool = False, deadline: float | None = None) -> "Future[None]":
        """Load an adapter ahead of its first question; see `serving.core.engine.Engine`."""
        work = Work(images=(), turns=(), adapters=(adapter,), sampling=Sampling(), deadline=deadline)
        job = Job(work, rows=0, pin=pin, submitted=self._clock())
        self._add(job)
        return job.done

    def unload(self, adapter: AdapterId) -> "Future[None]":
        """Empty the adapter's slot as soon as it is unused; see `serving.core.engine.Engine`."""
        return self._slots.unload(adapter)

    def held(self, adapter: AdapterId) -> str | None:
        """Digest of the weights that lie where an adapter is loaded; None if it is nowhere."""
        return self._slots.held(adapter)

    def drain(self, *, timeout_s: float) -> bool:
        """Take no more work and wait for what is under way; False if that took longer."""
        with self._changed:
            self._draining = True
            return self._changed.wait_for(lambda: not self._open, timeout=timeout_s)

    def close(self) -> None:
        """End now: whatever is not finished fails with Stopped."""
        self._closing = True
        self._wake()
        self._thread.join(timeout=CLOSE_S)
        self._slots.close(timeout_s=CLOSE_S)

    def _add(self, job: Job) -> None:
        with self._changed:
            self.check_room(rows=job.rows, client=job.client)
            self._scheduler.add(job)
            self._open.add(job)
            self._place()  # so that its adapters are loaded while the engine is in a step
        job.done.add_done_callback(lambda done: self._wake() if done.cancelled() else None)
        self._wake()

    def _place(self) -> None:
        for job, fresh in self._scheduler.place(now=self._clock()):
            with on_behalf(job.origin):
                self._slots.load(fresh, job.on_disk[fresh.load.adapter])

    def _wake(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    # All that follows runs on the engine's thread.

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception as error:  # a fault of the engine's own; it must not end with it
                where = "".join(format_tb(error.__traceback__))
                log.error("the engine failed: %s\n%s", type(error).__name__, where)
                self._abandon(EngineFailed(f"the engine failed ({type(error).__name__})"))
        self._abandon(Stopped("the server is stopping"))

    def _turn(self) -> None:
        self._end_lost()
        jobs = self._plan()
        if jobs and jobs[0].looks:  # such a job is always alone
            self._batches.look(jobs[0])
        elif jobs:
            self._batches.begin(jobs)
        elif self._batches:
            self._batches.step()
        else:
            self._rest()
        self._began_last = bool(jobs)

    def _end_lost(self) -> None:
        """End what nobody waits for any more, what is too late, and what cannot be loaded."""
        with self._changed:
            self._news = False
            lost = [(job, why) for job in self._scheduler.waiting if (why := self._lost(job))]
            for job, _ in lost:
                self._scheduler.remove(job)
        for job, why in lost:
            self._slots.free(job, now=self._clock())
            self._end(job, why)
        for job in self._batches.jobs:
            if why := self._lost(job):
                self._batches.drop(job)
                self._end(job, why)

    def _lost(self, job: Job) -> Exception | None:
        if job.done.cancelled():
            return CancelledError()
        deadline = job.work.deadline
        if deadline is not None and self._clock() >= deadline:
            waited = self._clock() - job.submitted
            return DeadlinePassed(f"no answer within {waited:.1f} s", hint="ask again later")
        error = self._registry.failure(job.hold) if job.hold else None
        return named(error, job) if error else None

    def _plan(self) -> list[Job]:
        """Give slots, and say which batch is to begin; between two that begin one under way takes a step."""
        now = self._clock()
        with self._changed:
            self._place()
            warm = self._scheduler.loaded(now=now)
            jobs: list[Job] = []
            if not (self._began_last and self._batches):
                jobs = self._scheduler.start(now=now, rows=self._batches.rows, batches=len(self._batches))
            rows = sum(job.rows for job in self._scheduler.waiting)
        self._watch.queue(rows)
        for job in warm:
            for adapter in job.adapters if job.pin else ():
                self._registry.pin(adapter)
            self._slots.free(job, now=now)
            self._end(job, None)
        return jobs

    def _rest(self) -> None:
        """Nothing is under way: wait for news, for the end of a batch's wait for company, for a deadline."""
        with self._changed:
            times = [self._scheduler.due(), *(job.work.deadline for job in self._open)]
            wait_s = min([IDLE_S, *(when - self._clock() for when in times if when is not None)])
            if not self._news and not self._closing:
                self._changed.wait(timeout=max(0.0, wait_s))
        self._seen.expire(now=self._clock())

    def _again(self, job: Job) -> None:
        with self._changed:
            self._scheduler.again(job)

    def _end(self, job: Job, end: Any) -> None:
        with on_behalf(job.origin):  # before the reply, whose span is around it
            if isinstance(end, ZooError):
                self._watch.failed(type(end).__name__)
            if job.rows:
                self._watch.ended(job.course(end, now=self._clock()))
        job.settle(end)
        with self._changed:
            self._open.discard(job)
            self._changed.notify_all()

    def _abandon(self, why: Exception) -> None:
        """End everything, whatever state it is in."""
        self._batches.clear()
        with self._changed:
            for job in self._scheduler.waiting:
                self._scheduler.remove(job)
            left = list(self._open)
        for job in left:
            self._slots.free(job, now=self._clock())
            self._end(job, why)
