"""The slots of a model, filled and emptied by the loader as the registry decides, and who waits for that."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from serving.core.engine import OnDisk
from serving.core.registry import Fresh, Load, Registry
from serving.core.requests import AdapterId
from serving.core.watch import Watch
from serving.engines.jobs import Job
from serving.engines.loader import Loader
from serving.engines.model import Model


class Slots:
    """Joins a registry and a loader. Safe to call from several threads."""

    def __init__(
        self, model: Model, registry: Registry, *, host_bytes: int, watch: Watch, changed: Callable[[], None]
    ) -> None:
        """`changed` is called from the loader's thread when a load has ended or a slot is empty."""
        self._model, self._registry, self._watch, self._changed = model, registry, watch, changed
        self._lock = threading.Lock()
        self._unloading: list[tuple[set[int], Future[None]]] = []
        self._closed = False
        self._loader = Loader(model, host_bytes=host_bytes, on_loaded=self._loaded, on_cleared=self._cleared)

    @property
    def alive(self) -> bool:
        """True until they are closed."""
        return self._loader.alive

    def load(self, fresh: Fresh, adapter: OnDisk) -> None:
        """Write an adapter where the registry said."""
        if fresh.evicted is not None:
            self._watch.evicted()
        self._loader.load(fresh, adapter)

    def free(self, job: Job, *, now: float) -> None:
        """End a comparison's hold, if it has one; an adapter that was unloaded leaves its slot with its last
        user."""
        if job.hold is not None:
            hold, job.hold = job.hold, None
            self._registry.release(hold, now=now)
            self._clear_unused()

    def unload(self, adapter: AdapterId) -> "Future[None]":
        """See `serving.core.engine.Engine`."""
        done: Future[None] = Future()
        with self._lock:
            loads = {load.number for load in self._registry.unload(adapter)}
            if self._closed:
                loads = set()
            if loads:
                self._unloading.append((loads, done))
        if loads:
            self._clear_unused()
        else:
            done.set_result(None)
        return done

    def are_right(self, job: Job) -> bool:
        """True if every load that a comparison holds is the one in its slot, and the weights that lie there
        are its adapter's, by the registry and by the model."""
        return (
            job.hold is not None
            and self._registry.holds(job.hold)
            and all(self._model.digest(load.slot) == load.adapter.digest for load in job.hold.loads)
        )

    def held(self, adapter: AdapterId) -> str | None:
        """Digest of the weights that lie where an adapter is loaded; None if it is nowhere."""
        taken = self._registry.occupied().items()
        found = [slot for slot, one in taken if one.load.adapter == adapter and one.phase == "ready"]
        return self._model.digest(found[0]) if found else None

    def close(self, *, timeout_s: float) -> None:
        """Do what was asked before, then end; whoever still waits for a slot to be emptied waits no more."""
        self._loader.close(timeout_s=timeout_s)
        with self._lock:
            self._closed, left = True, self._unloading
            self._unloading = []
        _settle([future for _, future in left])

    def _loaded(self, load: Load, error: Exception | None, seconds: float, source: str) -> None:
        self._watch.loaded(load.adapter, seconds, source, type(error).__name__ if error else "")
        if error is None:
            self._registry.loaded(load)
        else:
            self._registry.failed(load, error)
            self._left(load)
        self._clear_unused()
        self._tell()

    def _cleared(self, load: Load) -> None:
        self._registry.cleared(load)
        self._left(load)
        self._tell()

    def _tell(self) -> None:
        taken = self._registry.occupied().values()
        self._watch.resident(sum(one.phase == "ready" for one in taken))
        self._changed()

    def _clear_unused(self) -> None:
        for load in self._registry.unused():
            self._loader.clear(load)

    def _left(self, load: Load) -> None:
        with self._lock:
            for numbers, _ in self._unloading:
                numbers.discard(load.number)
            done = [future for numbers, future in self._unloading if not numbers]
            self._unloading = [one for one in self._unloading if one[0]]
        _settle(done)


def _settle(futures: "list[Future[None]]") -> None:
    for future in futures:
        if future.set_running_or_notify_cancel():
            future.set_result(None)
