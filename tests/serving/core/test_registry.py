import pytest

from serving.core.registry import Registry, Status
from serving.core.requests import AdapterId
from zoo.errors import Busy


def adapter(name: str, sha: str = "1", digest: str = "d") -> AdapterId:
    return AdapterId(name, sha, digest)


def test_an_adapter_in_use_is_never_evicted():
    registry = Registry(slots=2)
    held = registry.acquire(adapter("a"), now=0).load
    idle = registry.acquire(adapter("b"), now=1).load
    registry.release(idle, now=2)
    grant = registry.acquire(adapter("c"), now=3)
    assert grant.evicted == idle
    assert registry.status("a", "1") == Status("resident")
    with pytest.raises(Busy, match="all 2 adapter slots are in use"):
        registry.acquire(adapter("d"), now=4)
    registry.release(held, now=5)
    assert registry.acquire(adapter("d"), now=6).evicted == held


def test_the_adapter_unused_for_longest_is_evicted():
    registry = Registry(slots=3)
    loads = {name: registry.acquire(adapter(name), now=n).load for n, name in enumerate("abc")}
    for now, name in enumerate("bca", start=10):
        registry.release(loads[name], now=now)
    assert registry.acquire(adapter("d"), now=20).evicted == loads["b"]


def test_every_load_has_a_number_never_used_before():
    registry = Registry(slots=1)
    numbers = []
    for now, name in enumerate("abab"):
        load = registry.acquire(adapter(name), now=now).load
        registry.release(load, now=now)
        numbers.append((load.number, load.slot))
    assert numbers == [(1, 1), (2, 1), (3, 1), (4, 1)]


def test_one_that_is_loaded_is_not_loaded_again():
    registry = Registry(slots=2)
    first, second = (registry.acquire(adapter("a"), now=0) for _ in range(2))
    assert (first.fresh, second.fresh) == (True, False)
    assert first.load == second.load


def test_another_commit_or_other_weights_are_another_adapter():
    registry = Registry(slots=3)
    loads = [
        registry.acquire(one, now=0).load for one in (adapter("a"), adapter("a", "2"), adapter("a", "1", "e"))
    ]
    assert len({load.slot for load in loads}) == 3


def test_a_load_that_failed_frees_its_slot_and_tells_why():
    registry = Registry(slots=1)
    load = registry.acquire(adapter("a"), now=0).load
    registry.give_up(load, "not finite")
    assert registry.status("a", "1") == Status("failed", "not finite")
    registry.release(load, now=1)
    assert registry.acquire(adapter("b"), now=2).evicted is None


def test_states_follow_an_adapter_from_absent_to_evicted():
    registry = Registry(slots=1)
    seen = [registry.status("a", "1").state]
    registry.set_status("a", "1", "fetching")
    seen.append(registry.status("a", "1").state)
    registry.set_status("a", "1", "on_disk")
    seen.append(registry.status("a", "1").state)
    load = registry.acquire(adapter("a"), now=0).load
    seen.append(registry.status("a", "1").state)
    registry.release(load, now=1)
    registry.acquire(adapter("b"), now=2)
    seen.append(registry.status("a", "1").state)
    assert seen == ["absent", "fetching", "on_disk", "resident", "on_disk"]
