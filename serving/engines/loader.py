"""The thread that loads adapters into slots and empties slots, while batches run.

Files that were read once stay in memory, bounded in bytes, the ones used longest ago go first; every check
is made on every load all the same. It decides nothing: what is loaded where, and when a slot may be emptied,
it is told.
"""

import queue
import threading
import time
from collections.abc import Callable

from serving.core.cache import ExpiringCache
from serving.core.engine import OnDisk
from serving.core.registry import Fresh, Load
from serving.engines.model import Content, Model

Loaded = Callable[[Load, Exception | None, float], None]
"""Told of each load: the error that left its slot empty, and the seconds it took."""


class Loader:
    """Loads one after another, in the order in which they were asked for."""

    def __init__(
        self, model: Model, *, host_bytes: int, on_loaded: Loaded, on_cleared: Callable[[Load], None]
    ) -> None:
        self._model = model
        self._on_loaded, self._on_cleared = on_loaded, on_cleared
        self._contents: ExpiringCache[Content] = ExpiringCache(max_bytes=host_bytes)
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self._thread.start()

    def load(self, fresh: Fresh, adapter: OnDisk) -> None:
        """Write an adapter into the slot of its load, when what was asked before is done."""
        self._tasks.put(lambda: self._load(fresh, adapter))

    def clear(self, load: Load) -> None:
        """Empty a slot, likewise."""
        self._tasks.put(lambda: self._clear(load))

    def close(self, *, timeout_s: float) -> None:
        """Do what was asked before, then end."""
        self._tasks.put(None)
        self._thread.join(timeout=timeout_s)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _load(self, fresh: Fresh, adapter: OnDisk) -> None:
        began = time.monotonic()
        key = f"{adapter.id} {adapter.id.digest}"
        error = None
        try:
            if fresh.evicted is not None:
                self._model.clear(fresh.evicted.slot)
            content = self._contents.get(key, now=began)
            if content is None:
                content = self._model.read(adapter.folder)
            self._model.load(fresh.load.slot, adapter.folder, adapter.manifest, content)
            self._contents.put(key, content, size=len(content), now=began)
        except Exception as raised:  # the edge: whatever it was, it is the answer of those who wait
            self._contents.drop(key)
            error = raised
        self._on_loaded(fresh.load, error, time.monotonic() - began)

    def _clear(self, load: Load) -> None:
        self._model.clear(load.slot)
        self._on_cleared(load)
