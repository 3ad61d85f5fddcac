"""Which adapters are where: their states, the slots they are loaded in, and who uses them.

An adapter is known by `repo@sha` and the digest of its weights. Every load gets a number that is never
used again, so a slot that was given up and filled anew can never be taken for what it held before. A slot
is free, or belongs to exactly one load until that load is evicted, cleared or failed; one with users is never
given up. Holds no weights and does no I/O; the time is passed in. Safe to call from several threads.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from serving.core.cache import eviction_order
from serving.core.requests import AdapterId
from zoo.errors import ZooError

MOST_STATUSES = 1024
"""Where so many adapters are is remembered, beside those in slots."""

State = Literal["absent", "fetching", "on_disk", "resident", "failed"]
Phase = Literal["loading", "ready", "failed", "clearing"]


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
class Hold:
    """One comparison's use of its adapters, until `Registry.release`."""

    number: int
    loads: tuple[Load, ...]
    """One an adapter, each once."""


@dataclass(frozen=True)
class Fresh:
    """A load whose weights are yet to be written."""

    load: Load
    evicted: Load | None = None
    """The load that gives up this slot; its weights must be cleared first."""


@dataclass(frozen=True)
class Grant:
    """What is held, and what must be loaded for it."""

    hold: Hold
    fresh: tuple[Fresh, ...] = ()


@dataclass(frozen=True)
class Occupied:
    """What a slot is taken by."""

    load: Load
    phase: Phase
    users: int


@dataclass
class _Entry:
    load: Load
    last_used: float
    phase: Phase = "loading"
    users: int = 0
    error: Exception | None = None


class Registry:
    """The adapters of one engine with slots 1 to `slots`; slot 0 is the base and not managed."""

    def __init__(self, *, slots: int, first_load: int = 1) -> None:
        """Loads are numbered from `first_load` on."""
        self._lock = threading.Lock()
        self._free = list(range(slots, 0, -1))
        self._slots: dict[int, _Entry] = {}
        self._current: dict[AdapterId, _Entry] = {}
        """The load that the next user of an adapter gets; one that was unloaded or failed is not here."""
        self._pinned: set[tuple[str, str]] = set()
        """Repo and commit."""
        self._holds: set[int] = set()
        self._statuses: dict[tuple[str, str], Status] = {}
        """Of the last `MOST_STATUSES` that anything was heard of, the newest last."""
        self._next_load, self._next_hold = first_load, 1

    def status(self, repo: str, sha: str) -> Status:
        """Where `repo@sha` is."""
        with self._lock:
            for adapter, entry in self._current.items():
                if (adapter.repo, adapter.sha) == (repo, sha) and entry.phase == "ready":
                    return Status("resident")
            return self._statuses.get((repo, sha), Status("absent"))

    def set_status(self, repo: str, sha: str, state: State, reason: str = "") -> None:
        """Note that `repo@sha` is being fetched, lies on disk, or failed and why."""
        with self._lock:
            self._note(repo, sha, Status(state, reason))

    def is_ready(self, adapters: Iterable[AdapterId]) -> bool:
        """True if every one is loaded, so that `acquire` needs no slot."""
        with self._lock:
            entries = [self._current.get(adapter) for adapter in adapters]
            return all(entry is not None and entry.phase == "ready" for entry in entries)

    def acquire(self, adapters: Iterable[AdapterId], *, now: float) -> Grant | None:
        """Hold all these adapters until `release`, or none of them: None if too few slots can be had.

        What is loaded or being loaded is shared; the rest gets free slots, else those of unused adapters.
        """
        wanted = list(dict.fromkeys(adapters))
        with self._lock:
            missing = [adapter for adapter in wanted if adapter not in self._current]
            victims = self._victims(max(0, len(missing) - len(self._free)), keep=wanted)
            if victims is None:
                return None
            evicted = {load.slot: load for load in map(self._evict, victims)}
            fresh = []
            for adapter in missing:
                load = Load(self._next_load, self._free.pop(), adapter)
                self._next_load += 1
                self._slots[load.slot] = self._current[adapter] = _Entry(load, now)
                fresh.append(Fresh(load, evicted.get(load.slot)))
            entries = [self._current[adapter] for adapter in wanted]
            for entry in entries:
                entry.users += 1
                entry.last_used = now
            hold = Hold(self._next_hold, tuple(entry.load for entry in entries))
            self._next_hold += 1
            self._holds.add(hold.number)
            return Grant(hold, tuple(fresh))

    def holds(self, hold: Hold) -> bool:
        """True if every load of a hold is written and still the one in its slot."""
        with self._lock:
            found = [(self._slots.get(load.slot), load) for load in hold.loads]
            return hold.number in self._holds and all(
                entry is not None and entry.load == load and entry.phase == "ready" for entry, load in found
            )

    def release(self, hold: Hold, *, now: float) -> None:
        """End a hold. Ending one twice is a programming error and raises."""
        with self._lock:
            if hold.number not in self._holds:
                raise RuntimeError(f"hold {hold.number} was released before")
            self._holds.remove(hold.number)
            for load in hold.loads:
                entry = self._slots[load.slot]
                entry.users -= 1
                entry.last_used = now
                if entry.phase == "failed" and not entry.users:
                    self._free_slot(load)

    def loaded(self, load: Load) -> None:
        """The weights of a load are in its slot."""
        with self._lock:
            self._slots[load.slot].phase = "ready"
            self._note(load.adapter.repo, load.adapter.sha, Status("on_disk"))

    def failed(self, load: Load, error: Exception) -> None:
        """The weights could not be written: nobody new gets it, its slot is free with its last user."""
        reason = error.message if isinstance(error, ZooError) else type(error).__name__
        with self._lock:
            entry = self._slots[load.slot]
            entry.phase, entry.error = "failed", error
            if self._current.get(load.adapter) is entry:
                del self._current[load.adapter]
            self._note(load.adapter.repo, load.adapter.sha, Status("failed", reason))
            if not entry.users:
                self._free_slot(load)

    def failure(self, hold: Hold) -> Exception | None:
        """Why a load of a hold failed, if one did."""
        with self._lock:
            errors = [self._slots[load.slot].error for load in hold.loads]
        return next((error for error in errors if error), None)

    def pin(self, adapter: AdapterId) -> None:
        """Evict it only when nothing else can be, until it is unloaded."""
        with self._lock:
            self._pinned.add((adapter.repo, adapter.sha))

    @property
    def pinned(self) -> frozenset[tuple[str, str]]:
        """Repo and commit of each that is evicted last."""
        with self._lock:
            return frozenset(self._pinned)

    @pinned.setter
    def pinned(self, pinned: Iterable[tuple[str, str]]) -> None:
        with self._lock:
            self._pinned = set(pinned)

    def moved(self, repo: str, before: str, sha: str) -> None:
        """A name that stood for one commit stands for another: a pin goes with it."""
        with self._lock:
            if (repo, before) in self._pinned:
                self._pinned.remove((repo, before))
                self._pinned.add((repo, sha))

    def unload(self, adapter: AdapterId) -> tuple[Load, ...]:
        """Let nobody new use an adapter's load; whoever asks for it later gets a new one.

        Returns:
            Its loads that still have a slot; each leaves it by `unused` and `cleared`.
        """
        with self._lock:
            self._current.pop(adapter, None)
            self._pinned.discard((adapter.repo, adapter.sha))
            return tuple(
                entry.load
                for entry in self._slots.values()
                if entry.load.adapter == adapter and entry.phase != "failed"
            )

    def unused(self) -> tuple[Load, ...]:
        """Unloaded ones whose last user is gone, each told once: the caller empties them, then `cleared`."""
        with self._lock:
            found = [
                entry
                for entry in self._slots.values()
                if entry.phase == "ready"
                and not entry.users
                and self._current.get(entry.load.adapter) is not entry
            ]
            for entry in found:
                entry.phase = "clearing"
            return tuple(entry.load for entry in found)

    def cleared(self, load: Load) -> None:
        """The slot of an unloaded adapter is empty."""
        with self._lock:
            self._free_slot(load)

    def occupied(self) -> dict[int, Occupied]:
        """What every slot that is not free is taken by."""
        with self._lock:
            return {
                slot: Occupied(one.load, one.phase, one.users) for slot, one in sorted(self._slots.items())
            }

    def _note(self, repo: str, sha: str, status: Status) -> None:
        self._statuses.pop((repo, sha), None)
        self._statuses[repo, sha] = status
        if len(self._statuses) > MOST_STATUSES:
            del self._statuses[next(iter(self._statuses))]

    def _victims(self, count: int, *, keep: list[AdapterId]) -> list[AdapterId] | None:
        idle = {
            adapter: entry.last_used
            for adapter, entry in self._current.items()
            if entry.phase == "ready" and adapter not in keep
        }
        users = {adapter: self._current[adapter].users for adapter in idle}
        pinned = [adapter for adapter in idle if (adapter.repo, adapter.sha) in self._pinned]
        order = eviction_order(idle, users=users, pinned=pinned)
        return order[:count] if len(order) >= count else None

    def _evict(self, adapter: AdapterId) -> Load:
        load = self._current.pop(adapter).load
        self._free_slot(load)
        return load

    def _free_slot(self, load: Load) -> None:
        del self._slots[load.slot]
        self._free.append(load.slot)
