"""Which adapters are where: their states, the slots they are loaded in, and who uses them.

An adapter is known by `repo@sha` and the digest of its weights. Every load gets a number that is never
used again, so a slot that was given up and filled anew can never be taken for what it held before.
Holds no weights and does no I/O; the time is passed in. Safe to call from several threads.
"""

import threading
from dataclasses import dataclass
from typing import Literal

from serving.core.cache import least_recently_used
from serving.core.requests import AdapterId
from zoo.errors import Busy

State = Literal["absent", "fetching", "on_disk", "resident", "failed"]


@dataclass(frozen=True)
class Status:
    """Where an adapter is; `reason` tells why it failed."""

    state: State
    reason: str = ""


@dataclass(frozen=True)
class Load:
    """One load of one adapter into one slot."""

    number: int
    """Fresh for every load."""
    slot: int
    adapter: AdapterId


@dataclass(frozen=True)
class Grant:
    """What a user of an adapter gets: its load, and what must be done first if it is fresh."""

    load: Load
    fresh: bool
    """True if the weights are yet to be written into the slot."""
    evicted: Load | None = None
    """The load that gives up this slot; its weights must be cleared."""


class Registry:
    """The adapters of one engine with slots 1 to `slots`; slot 0 is the base and not managed."""

    def __init__(self, *, slots: int) -> None:
        self._lock = threading.Lock()
        self._free = list(range(slots, 0, -1))
        self._loads: dict[AdapterId, Load] = {}
        self._users: dict[AdapterId, int] = {}
        self._last_used: dict[AdapterId, float] = {}
        self._statuses: dict[tuple[str, str], Status] = {}
        self._next = 1

    def status(self, repo: str, sha: str) -> Status:
        """Where `repo@sha` is."""
        with self._lock:
            if any((one.repo, one.sha) == (repo, sha) for one in self._loads):
                return Status("resident")
            return self._statuses.get((repo, sha), Status("absent"))

    def set_status(self, repo: str, sha: str, state: State, reason: str = "") -> None:
        """Note that `repo@sha` is being fetched, lies on disk, or failed and why."""
        with self._lock:
            self._statuses[repo, sha] = Status(state, reason)

    def acquire(self, adapter: AdapterId, *, now: float) -> Grant:
        """Hold an adapter in a slot until `release`; give up the least recently used idle one if need be.

        Raises:
            Busy: every slot is in use.
        """
        with self._lock:
            load, evicted = self._loads.get(adapter), None
            fresh = load is None
            if load is None:
                if not self._free:
                    evicted = self._evict()
                load = Load(self._next, self._free.pop(), adapter)
                self._next += 1
                self._loads[adapter] = load
            self._users[adapter] = self._users.get(adapter, 0) + 1
            self._last_used[adapter] = now
            return Grant(load, fresh, evicted)

    def release(self, load: Load, *, now: float) -> None:
        """End one use."""
        with self._lock:
            if self._loads.get(load.adapter) != load:
                return  # it was given up after a failed load
            self._users[load.adapter] -= 1
            self._last_used[load.adapter] = now

    def give_up(self, load: Load, reason: str) -> None:
        """The weights could not be written: free the slot and note why."""
        with self._lock:
            self._forget(load)
            self._statuses[load.adapter.repo, load.adapter.sha] = Status("failed", reason)

    def _evict(self) -> Load:
        victim = least_recently_used(self._last_used, self._users)
        if victim is None:
            raise Busy(f"all {len(self._loads)} adapter slots are in use", hint="ask again in a few seconds")
        load = self._loads[victim]
        self._forget(load)
        return load

    def _forget(self, load: Load) -> None:
        del self._loads[load.adapter], self._users[load.adapter], self._last_used[load.adapter]
        self._free.append(load.slot)
