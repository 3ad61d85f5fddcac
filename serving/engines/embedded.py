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
from pathlib import Path
from traceback import format_tb
from typing import TYPE_CHECKING, Any, Protocol

from serving.core.cache import ExpiringCache
from serving.core.engine import OnDisk, Output, Work
from serving.core.registry import Load, Registry
from serving.core.requests import AdapterId
from serving.core.scheduler import check_room, next_batch
from zoo.errors import BadInput, Busy, ZooError

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.manifest import AdapterManifest

log = logging.getLogger(__name__)

IDLE_S = 5.0
"""How often an idle engine looks for features that have expired."""


class Text(Protocol):
    """One generated answer."""

    @property
    def text(self) -> str:
        """The answer."""

    @property
    def tokens(self) -> int:
        """How many tokens it took."""


class Model(Protocol):
    """A base with slots for adapters; slot 0 is the base. Called from the engine's thread alone."""

    def encode(self, images: Sequence["Image"]) -> tuple[Any, int]:
        """Features of one question's images, and the bytes they take."""

    def load(self, slot: int, folder: Path, manifest: "AdapterManifest") -> None:
        """Check an adapter in every way and write it into an empty slot; on an error the slot stays empty."""

    def clear(self, slot: int) -> None:
        """Empty a slot."""

    def generate(self, rows: Sequence[tuple[Any, str, int]]) -> Sequence[Text]:
        """An answer for each row of features, prompt and slot."""


@dataclass(eq=False)
class _Job:
    work: Work
    future: "Future[tuple[Output, ...]]" = field(default_factory=Future)
    loads: list[Load | None] = field(default_factory=list)
    features: Any = None

    @property
    def adapters(self) -> Sequence[AdapterId | None]:
        return [adapter.id if adapter else None for adapter in self.work.adapters]


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
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

    def submit(self, work: Work) -> "Future[tuple[Output, ...]]":
        """Take a comparison on; see `serving.core.engine.Engine`."""
        rows, most = len(work.adapters), min(self._max_rows, self._slots)
        if rows > self._max_rows or len({a.id for a in work.adapters if a}) > self._slots:
            raise BadInput(f"{rows} adapters in one comparison, this engine runs at most {most}")
        job = _Job(work)
        with self._changed:
            if not self.alive:
                raise Busy("the engine has stopped", hint="start the server again")
            waiting = sum(len(one.adapters) for one in self._waiting)
            check_room(waiting_rows=waiting, rows=rows, max_waiting_rows=self._max_waiting_rows)
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def warm(self, adapter: OnDisk) -> "Future[None]":
        """Load an adapter ahead of its first question: a comparison without rows to generate."""
        done: Future[None] = Future()

        def finish(loaded: "Future[tuple[Output, ...]]") -> None:
            error = loaded.exception()
            done.set_exception(error) if error else done.set_result(None)

        self.submit(Work(images=(), question="", adapters=(adapter,))).add_done_callback(finish)
        return done

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
            self._run_batch([job for job in batch if job.future.set_running_or_notify_cancel()])
        for job in left:
            job.future.set_exception(Busy("the server is stopping"))

    def _run_batch(self, jobs: list[_Job]) -> None:
        started = self._clock()
        try:
            ready = [job for job in jobs if self._prepare(job)]
            self._answer(ready, started)
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
            job.future.set_result(())
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
            self._model.load(grant.load.slot, adapter.folder, adapter.manifest)
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

    def _answer(self, jobs: list[_Job], started: float) -> None:
        """Generate for all jobs at once; if that fails, for each alone, so that only the culprit fails."""
        if not jobs:
            return
        rows = [
            (job.features, job.work.question, load.slot if load else 0) for job in jobs for load in job.loads
        ]
        try:
            texts = list(self._model.generate(rows))
        except Exception as error:
            if len(jobs) == 1:
                _fail(jobs[0], error)
            else:
                for job in jobs:
                    self._answer([job], self._clock())
            return
        milliseconds = (self._clock() - started) * 1000
        for job in jobs:
            mine, texts = texts[: len(job.loads)], texts[len(job.loads) :]
            job.future.set_result(tuple(Output(one.text, one.tokens, milliseconds) for one in mine))


def _fail(job: _Job, error: Exception) -> None:
    """Give a job its error; one that is no ZooError is told and logged without its message, which may
    quote the question."""
    if not isinstance(error, ZooError):
        log.error(
            "a comparison failed: %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__))
        )
        error = ZooError(f"the engine failed on this comparison ({type(error).__name__})")
    job.future.set_exception(error)


def _pixels_digest(images: Sequence["Image"]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.mode} {image.size};".encode())
        digest.update(image.tobytes())
    return digest.hexdigest()
