"""The thread that loads adapters into slots and empties slots, while batches run.

Files that were read once stay in memory, bounded in bytes, the ones used longest ago go first; every check
is made on every load all the same. It decides nothing: what is loaded where, and when a slot may be emptied,
it is told.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from traceback import clear_frames

from serving.core.cache import ExpiringCache
from serving.core.engine import OnDisk
from serving.core.origin import bound
from serving.core.registry import Fresh, Load
from serving.engines.model import Content, Model

log = logging.getLogger(__name__)

Loaded = Callable[[Load, Exception | None, float, str], None]
"""Told of each load: the error that left its slot empty, the seconds it took, and from where it was read,
`memory` or `disk`, where it went well."""


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

    @property
    def alive(self) -> bool:
        """True until it is closed."""
        return self._thread.is_alive()

    def load(self, fresh: Fresh, adapter: OnDisk) -> None:
        """Write an adapter into the slot of its load, when what was asked before is done."""
        self._tasks.put(bound(lambda: self._load(fresh, adapter)))

    def clear(self, load: Load) -> None:
        """Empty a slot, likewise."""
        self._tasks.put(lambda: self._clear(load))

    def close(self, *, timeout_s: float) -> None:
        """Do what was asked before, then end."""
        self._tasks.put(None)
        self._thread.join(timeout=timeout_s)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:  # one that failed leaves the next ones theirs
                log.error("the loader failed: %s", type(error).__name__)

    def _load(self, fresh: Fresh, adapter: OnDisk) -> None:
        began = time.monotonic()
        key = f"{adapter.id} {adapter.id.digest}"
        error, source = None, ""
        try:
            source = self._write(fresh.load.slot, adapter, key, now=began)
        except Exception as raised:  # the edge: whatever it was, it is the answer of those who wait
            self._contents.drop(key)
            _let_go(raised)
            error = raised
        self._on_loaded(fresh.load, error, time.monotonic() - began, source)

    def _write(self, slot: int, adapter: OnDisk, key: str, *, now: float) -> str:
        """Gives from where it was read."""
        if self._model.digest(slot) is not None:  # of one that was evicted, or that could not be cleared
            self._model.clear(slot)
        content, source = self._contents.get(key, now=now), "memory"
        if content is None:
            source = "disk"
            content = self._model.read(adapter.folder)
        self._model.load(slot, adapter.folder, adapter.manifest, content)
        self._contents.put(key, content, size=len(content), now=now)
        return source

    def _clear(self, load: Load) -> None:
        try:
            self._model.clear(load.slot)
        except Exception as error:  # the slot is cleared again before it is filled
            log.error("a slot could not be cleared: %s", type(error).__name__)
        self._on_cleared(load)


def _let_go(error: BaseException | None) -> None:
    """Whoever keeps an error keeps the frames of its traceback: empty them of what they hold: files."""
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
