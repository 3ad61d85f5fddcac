import pytest

from serving.core.registry import MOST_STATUSES, Fresh, Hold, Load, Occupied, Registry, Status
from serving.core.requests import AdapterId
from zoo.errors import BadAdapter


def adapter(name: str, sha: str = "1", digest: str = "d") -> AdapterId:
    return AdapterId(name, sha, digest)


def hold(registry: Registry, names: str, *, now: float = 0) -> Hold:
    """Acquire one adapter a letter, and write what is fresh."""
    grant = registry.acquire([adapter(name) for name in names], now=now)
    assert grant is not None, "no slots"
    for fresh in grant.fresh:
        registry.loaded(fresh.load)
    return grant.hold


def taken(registry: Registry) -> dict[int, tuple[str, str, int]]:
    return {s: (o.load.adapter.repo, o.phase, o.users) for s, o in registry.occupied().items()}


def test_an_adapter_in_use_is_never_evicted():
    registry = Registry(slots=2)
    held, idle = hold(registry, "a"), hold(registry, "b", now=1)
    registry.release(idle, now=2)
    grant = registry.acquire([adapter("c")], now=3)
    assert [fresh.evicted for fresh in grant.fresh] == [idle.loads[0]]
    assert registry.status("a", "1") == Status("resident")
    assert registry.acquire([adapter("d")], now=4) is None, "the one is held, the other is being loaded"
    registry.release(held, now=5)
    assert registry.acquire([adapter("d")], now=6).fresh[0].evicted == held.loads[0]


def test_the_adapter_unused_for_longest_is_evicted():
    registry = Registry(slots=3)
    holds = {name: hold(registry, name, now=n) for n, name in enumerate("abc")}
    for now, name in enumerate("bca", start=10):
        registry.release(holds[name], now=now)
    assert registry.acquire([adapter("d")], now=20).fresh[0].evicted == holds["b"].loads[0]


def test_a_pinned_adapter_is_evicted_last_and_an_unloaded_one_is_pinned_no_longer():
    registry = Registry(slots=2)
    first, second = hold(registry, "a"), hold(registry, "b", now=1)
    registry.pin(adapter("a"))
    registry.release(first, now=2)
    registry.release(second, now=3)
    third = registry.acquire([adapter("c")], now=4)
    assert third.fresh[0].evicted.adapter == adapter("b")
    registry.loaded(third.fresh[0].load)
    assert registry.acquire([adapter("d")], now=5).fresh[0].evicted.adapter == adapter("a")


def test_adapters_of_a_comparison_are_held_all_or_none():
    registry = Registry(slots=3)
    hold(registry, "a")
    before = registry.occupied()
    assert registry.acquire([adapter(name) for name in "bcd"], now=1) is None
    assert registry.occupied() == before
    assert [load.adapter.repo for load in hold(registry, "abc", now=2).loads] == ["a", "b", "c"]


def test_a_comparison_never_evicts_an_adapter_of_its_own():
    registry = Registry(slots=2)
    registry.release(hold(registry, "a"), now=0)
    registry.release(hold(registry, "b", now=1), now=1)
    grant = registry.acquire([adapter("a"), adapter("c")], now=2)
    assert [load.adapter.repo for load in grant.hold.loads] == ["a", "c"]
    assert [fresh.evicted.adapter.repo for fresh in grant.fresh] == ["b"]


def test_every_load_has_a_number_never_used_before():
    registry, numbers = Registry(slots=1), []
    for now, name in enumerate("abab"):
        one = hold(registry, name, now=now)
        registry.release(one, now=now)
        numbers.append((one.loads[0].number, one.loads[0].slot))
    assert numbers == [(1, 1), (2, 1), (3, 1), (4, 1)]


def test_those_who_wait_for_one_load_share_it():
    registry = Registry(slots=2)
    first, second = (registry.acquire([adapter("a")], now=0) for _ in range(2))
    assert (len(first.fresh), len(second.fresh)) == (1, 0)
    assert first.hold.loads == second.hold.loads
    assert not registry.holds(second.hold), "it is not written yet"
    registry.loaded(first.fresh[0].load)
    assert registry.holds(first.hold)
    assert registry.holds(second.hold)


def test_another_commit_or_other_weights_are_another_adapter():
    registry = Registry(slots=3)
    grant = registry.acquire([adapter("a"), adapter("a", "2"), adapter("a", "1", "e")], now=0)
    assert [load.slot for load in grant.hold.loads] == [1, 2, 3]


def test_one_adapter_named_twice_is_held_once():
    registry = Registry(slots=2)
    one = hold(registry, "aa")
    assert len(one.loads) == 1
    assert taken(registry) == {1: ("a", "ready", 1)}


def test_a_load_that_failed_tells_why_and_its_slot_is_free_with_its_last_user():
    registry = Registry(slots=1)
    first, second = (registry.acquire([adapter("a")], now=0) for _ in range(2))
    error = BadAdapter("not finite")
    registry.failed(first.fresh[0].load, error)
    assert registry.status("a", "1") == Status("failed", "not finite")
    assert registry.failure(first.hold) is error
    assert registry.failure(second.hold) is error
    registry.release(first.hold, now=1)
    assert registry.acquire([adapter("a")], now=2) is None
    registry.release(second.hold, now=3)
    assert registry.acquire([adapter("a")], now=4).fresh == (Fresh(Load(2, 1, adapter("a"))),)


def test_a_failed_load_that_nobody_waits_for_frees_its_slot_at_once():
    registry = Registry(slots=1)
    grant = registry.acquire([adapter("a")], now=0)
    registry.release(grant.hold, now=1)
    registry.failed(grant.fresh[0].load, OSError("/a/path"))
    assert registry.occupied() == {}
    assert registry.status("a", "1") == Status("failed", "OSError")


def test_a_load_that_nobody_waits_for_any_more_is_not_evicted_while_it_is_written():
    registry = Registry(slots=1)
    grant = registry.acquire([adapter("a")], now=0)
    registry.release(grant.hold, now=1)
    assert registry.acquire([adapter("b")], now=2) is None
    registry.loaded(grant.fresh[0].load)
    assert registry.acquire([adapter("b")], now=3).fresh[0].evicted == grant.hold.loads[0]


def test_a_hold_is_released_once():
    registry = Registry(slots=1)
    one = hold(registry, "a")
    other = hold(registry, "a")
    registry.release(one, now=1)
    with pytest.raises(RuntimeError, match="hold 1 was released before"):
        registry.release(one, now=2)
    assert taken(registry) == {1: ("a", "ready", 1)}
    assert registry.holds(other)
    assert not registry.holds(one)


def test_unloading_lets_nobody_new_in_and_ends_with_the_last_user():
    registry = Registry(slots=2)
    old = hold(registry, "a")
    assert registry.unload(adapter("a")) == old.loads
    assert registry.unused() == ()
    assert not registry.is_ready([adapter("a")])
    new = hold(registry, "a", now=1)
    assert (new.loads[0].number, new.loads[0].slot) == (2, 2)
    assert registry.holds(old), "who was in stays in"
    registry.release(old, now=2)
    assert registry.unused() == old.loads
    assert registry.unused() == (), "each is told once"
    assert registry.occupied()[1] == Occupied(old.loads[0], "clearing", 0)
    registry.cleared(old.loads[0])
    assert taken(registry) == {2: ("a", "ready", 1)}


def test_what_is_unloaded_while_it_is_being_loaded_leaves_when_that_is_done():
    registry = Registry(slots=1)
    grant = registry.acquire([adapter("a")], now=0)
    registry.release(grant.hold, now=1)
    assert registry.unload(adapter("a")) == grant.hold.loads
    assert registry.unused() == ()
    registry.loaded(grant.fresh[0].load)
    assert registry.unused() == grant.hold.loads


def test_unloading_what_is_not_loaded_is_done_at_once():
    assert Registry(slots=1).unload(adapter("a")) == ()


def test_states_follow_an_adapter_from_absent_to_evicted():
    registry = Registry(slots=1)
    seen = [registry.status("a", "1").state]
    registry.set_status("a", "1", "fetching")
    seen.append(registry.status("a", "1").state)
    registry.set_status("a", "1", "on_disk")
    grant = registry.acquire([adapter("a")], now=0)
    seen.append(registry.status("a", "1").state)
    registry.loaded(grant.fresh[0].load)
    seen.append(registry.status("a", "1").state)
    registry.release(grant.hold, now=1)
    registry.acquire([adapter("b")], now=2)
    seen.append(registry.status("a", "1").state)
    assert seen == ["absent", "fetching", "on_disk", "resident", "on_disk"]


def test_where_an_adapter_is_is_remembered_of_the_last_ones_alone():
    registry = Registry(slots=1)
    for number in range(MOST_STATUSES + 1):
        registry.set_status("local/sft", str(number), "failed", "gone")
    assert registry.status("local/sft", "0") == Status("absent")
    assert registry.status("local/sft", "1") == Status("failed", "gone")
    assert len(registry._statuses) == MOST_STATUSES


def test_loads_are_numbered_from_where_they_are_told_to_begin():
    registry = Registry(slots=2, first_load=7)
    assert [load.number for load in hold(registry, "ab").loads] == [7, 8]


def test_what_is_pinned_is_what_was_said_last():
    registry = Registry(slots=1)
    registry.pin(adapter("a"))
    assert registry.pinned == {("a", "1")}
    registry.pinned = [("b", "1")]
    assert registry.pinned == {("b", "1")}
