"""The engine inside this process: one thread owns the model; work comes by a queue, answers by futures.

Between batches it loads adapters into slots; a comparison is one whole part of a batch, its images
encoded once. Vision features stay in memory for a while, bounded. What runs next is core's to decide;
how the model works is behind `Model`. It writes no pixels and no text anywhere.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from traceback import format_tb
from typing import TYPE_CHECKING, Any

from serving.core.cache import ExpiringCache
from serving.core.engine import Finish, OnDisk, Output, Piece, Work
from serving.core.registry import Load, Registry
from serving.core.requests import AdapterId
from serving.core.scheduler import check_room, next_batch
from serving.core.watch import Watch
from serving.engines.model import Batch, Model, Row
from zoo.asking import Sampling
from zoo.errors import BadInput, DeadlinePassed, EngineFailed, Stopped, ZooError

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

IDLE_S = 5.0
"""How often an idle engine looks for features that have expired."""


@dataclass(eq=False)
class _Job:
    work: Work
    submitted: float
    on_piece: Callable[[Piece], None] | None = None
    future: "Future[tuple[Output, ...]]" = field(default_factory=Future)
    loads: list[Load | None] = field(default_factory=list)
    features: Any = None

    @property
    def adapters(self) -> Sequence[AdapterId | None]:
        return [adapter.id if adapter else None for adapter in self.work.adapters]


@dataclass
class _Answer:
    """One row's answer so far."""

    job: _Job
    row: int
    text: str = ""
    tokens: int = 0
    finish: Finish | None = None
    ended: float = 0.0


@dataclass(frozen=True)
class _Ticket:
    done: "Future[tuple[Output, ...]]"

    def cancel(self) -> None:
        self.done.cancel()


class EmbeddedEngine:
    """Runs comparisons in batches on one model, in a thread of its own."""

    def __init__(
        self,
        model: Model,
        registry: Registry,
        *,
        slots: int,
        max_rows: int = 16,
        max_waiting_rows: int = 64,
        feature_bytes: int = 256 * 1024 * 1024,
        feature_ttl_s: float = 600.0,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._watch = watch or Watch()
        self._registry = registry
        self._slots = slots
        self._max_rows = max_rows
        self._max_waiting_rows = max_waiting_rows
        self._clock = clock
        self._features: ExpiringCache[Any] = ExpiringCache(max_bytes=feature_bytes, ttl_s=feature_ttl_s)
        self._waiting: list[_Job] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True while the engine takes work."""
        return self._thread.is_alive() and not self._closing

    def submit(self, work: Work, on_piece: Callable[[Piece], None] | None = None) -> _Ticket:
        """Take a comparison on; see `serving.core.engine.Engine`."""
        rows, most = len(work.adapters), min(self._max_rows, self._slots)
        if rows > self._max_rows or len({a.id for a in work.adapters if a}) > self._slots:
            raise BadInput(f"{rows} adapters in one comparison, this engine runs at most {most}")
        job = _Job(work, self._clock(), on_piece)
        with self._changed:
            if not self.alive:
                raise Stopped("the engine has stopped", hint="start the server again")
            waiting = sum(len(one.adapters) for one in self._waiting if not one.future.cancelled())
            check_room(waiting_rows=waiting, rows=rows, max_waiting_rows=self._max_waiting_rows)
            self._waiting.append(job)
            self._changed.notify()
        return _Ticket(job.future)

    def warm(self, adapter: OnDisk, *, pin: bool = False) -> "Future[None]":
        """Load an adapter ahead of its first question: a comparison without rows to generate."""
        done: Future[None] = Future()

        def finish(loaded: "Future[tuple[Output, ...]]") -> None:
            error = loaded.exception()
            done.set_exception(error) if error else done.set_result(None)

        work = Work(images=(), turns=(), adapters=(adapter,), sampling=Sampling())
        self.submit(work).done.add_done_callback(finish)
        return done

    def unload(self, adapter: AdapterId) -> "Future[None]":
        """Empty the adapter's slot; see `serving.core.engine.Engine`."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def drain(self, *, timeout_s: float) -> bool:
        """Take no more work and wait for what is under way; False if that took longer."""
        return True

    def close(self) -> None:
        """Finish the batch under way, fail what waits, end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait(timeout=IDLE_S)
                    self._features.expire(now=self._clock())
                if self._closing:
                    left, self._waiting = self._waiting, []
                    break
                batch = next_batch(self._waiting, max_rows=self._max_rows, max_adapters=self._slots)
                self._waiting = [job for job in self._waiting if job not in batch]
            self._run_batch([job for job in batch if not job.future.cancelled()])
        for job in left:
            _settle(job, Stopped("the server is stopping"))

    def _run_batch(self, jobs: list[_Job]) -> None:
        try:
            ready = [job for job in jobs if self._prepare(job)]
            self._answer(ready)
        finally:
            now = self._clock()
            for load in (load for job in jobs for load in job.loads if load is not None):
                self._registry.release(load, now=now)

    def _prepare(self, job: _Job) -> bool:
        """Load what a job needs and encode its images; a job that cannot be run fails alone."""
        try:
            for adapter in job.work.adapters:
                job.loads.append(self._load(adapter) if adapter else None)
            if job.work.images:
                job.features = self._encode(job.work.images)
                return True
            _settle(job, ())
        except Exception as error:  # the edge: whatever went wrong is this job's answer
            _fail(job, error)
        return False

    def _load(self, adapter: OnDisk) -> Load:
        grant = self._registry.acquire(adapter.id, now=self._clock())
        if not grant.fresh:
            return grant.load
        try:
            if grant.evicted is not None:
                self._model.clear(grant.evicted.slot)
            content = self._model.read(adapter.folder)
            self._model.load(grant.load.slot, adapter.folder, adapter.manifest, content)
        except Exception as error:
            reason = error.message if isinstance(error, ZooError) else type(error).__name__
            self._registry.give_up(grant.load, reason)
            raise
        return grant.load

    def _encode(self, images: tuple["Image", ...]) -> Any:
        key = _pixels_digest(images)
        features = self._features.get(key, now=self._clock())
        if features is None:
            features, size = self._model.encode(images)
            self._features.put(key, features, size=size, now=self._clock())
        return features

    def _answer(self, jobs: list[_Job]) -> None:
        """Answer all jobs at once; if that fails, each alone, so that only the culprit fails."""
        if not jobs:
            return
        answers = [_Answer(job, row) for job in jobs for row in range(len(job.loads))]
        try:
            batch = self._model.begin(
                [
                    Row(job.features, job.work.turns, load.slot if load else 0, job.work.sampling)
                    for job in jobs
                    for load in job.loads
                ]
            )
            self._decode(batch, answers)
        except Exception as error:
            if len(jobs) == 1:
                _fail(jobs[0], error)
            else:
                for job in jobs:
                    self._answer([job])

    def _decode(self, batch: Batch, answers: list[_Answer]) -> None:
        first = None
        while batch.open:
            if self._closing:
                raise Stopped("the server is stopping")
            for row in batch.open:
                job, now = answers[row].job, self._clock()
                if job.work.deadline is not None and now >= job.work.deadline:
                    _settle(job, DeadlinePassed("no answer in time"))
                if job.future.done():
                    batch.drop(row)
            for said in batch.step():
                answer = answers[said.row]
                answer.text, answer.tokens = answer.text + said.text, said.tokens
                answer.finish, answer.ended = said.finish, self._clock()
                if answer.job.on_piece is not None:
                    answer.job.on_piece(Piece(answer.row, said.text, said.tokens, said.finish))
            first = first or self._clock()
        for job in {id(one.job): one.job for one in answers}.values():
            if not job.future.done():
                mine = [(n, one) for n, one in enumerate(answers) if one.job is job]
                _settle(
                    job,
                    tuple(
                        Output(
                            text=one.text,
                            tokens=one.tokens,
                            prompt_tokens=batch.prompt_tokens[number],
                            finish=one.finish or "length",
                            first_token_ms=((first or one.ended) - job.submitted) * 1000,
                            milliseconds=(one.ended - job.submitted) * 1000,
                            load=load.number if load else 0,
                        )
                        for (number, one), load in zip(mine, job.loads, strict=True)
                    ),
                )


def _settle(job: _Job, end: tuple[Output, ...] | Exception) -> None:
    if job.future.set_running_or_notify_cancel():
        if isinstance(end, Exception):
            job.future.set_exception(end)
        else:
            job.future.set_result(end)


def _fail(job: _Job, error: Exception) -> None:
    """Give a job its error; one that is no ZooError is told and logged without its message, which may
    quote the question."""
    if not isinstance(error, ZooError):
        log.error(
            "a comparison failed: %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__))
        )
        error = EngineFailed(f"the engine failed on this comparison ({type(error).__name__})")
    if not job.future.done():
        _settle(job, error)


def _pixels_digest(images: Sequence["Image"]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.mode} {image.size};".encode())
        digest.update(image.tobytes())
    return digest.hexdigest()
