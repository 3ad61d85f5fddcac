from dataclasses import dataclass

import pytest

from serving.core.registry import Hold, Load, Registry
from serving.core.requests import AdapterId
from serving.core.scheduler import PATIENCE, Scheduler, check_room, fitting
from zoo.errors import Busy


@dataclass(eq=False)
class Job:
    name: str
    client: str
    adapters: tuple[AdapterId, ...]
    rows: int
    hold: Hold | None = None
    ready_at: float | None = None
    alone: bool = False


def adapter(name: str) -> AdapterId:
    return AdapterId(name, "1", "d")


def job(name: str, adapters: str = "", client: str = "c", rows: int | None = None) -> Job:
    """A job with one row for each letter; `-` is the base."""
    wanted = tuple(adapter(one) for one in adapters if one != "-")
    return Job(name, client, wanted, len(adapters) if rows is None else rows)


class World:
    """A scheduler with a hand-moved clock, a loader that loads when told, and batches that end when told."""

    def __init__(self, *, slots: int = 4, max_rows: int = 4, max_batches: int = 4, window_s: float = 0.0):
        self.registry = Registry(slots=slots)
        self.scheduler: Scheduler[Job] = Scheduler(
            self.registry, max_rows=max_rows, max_batches=max_batches, window_s=window_s
        )
        self.now = 0.0
        self.loading: list[Load] = []
        self.batches: list[list[Job]] = []
        self.begun: list[Job] = []

    def add(self, *jobs: Job) -> None:
        for one in jobs:
            self.scheduler.add(one)

    def turn(self) -> str:
        """What the engine does in one round, without its model; names of the batch that begins."""
        self.loading += [fresh.load for _, fresh in self.scheduler.place(now=self.now)]
        for one in self.scheduler.loaded(now=self.now):
            self.registry.release(one.hold, now=self.now)
        rows = sum(one.rows for batch in self.batches for one in batch)
        batch = self.scheduler.start(now=self.now, rows=rows, batches=len(self.batches))
        if batch:
            self.batches.append(batch)
            self.begun += batch
        return "".join(one.name for one in batch)

    def load(self, *names: str) -> None:
        """The loader writes these, or all that it was told to."""
        for one in [load for load in self.loading if not names or load.adapter.repo in names]:
            self.loading.remove(one)
            self.registry.loaded(one)

    def end(self, number: int = 0) -> None:
        for one in self.batches.pop(number):
            self.registry.release(one.hold, now=self.now)

    def resident(self, names: str) -> None:
        for name in names:
            grant = self.registry.acquire([adapter(name)], now=self.now)
            for fresh in grant.fresh:
                self.registry.loaded(fresh.load)
            self.registry.release(grant.hold, now=self.now)


def names(batch: list[Job]) -> str:
    return "".join(one.name for one in batch)


def test_a_comparison_is_kept_whole_and_none_goes_before_it_because_it_is_smaller():
    ready = [job("1", "abc"), job("2", "abc"), job("3", "a")]
    assert names(fitting(ready, rows=8)) == "123"
    assert names(fitting(ready, rows=6)) == "12"
    assert names(fitting(ready, rows=5)) == "1"
    assert names(fitting(ready, rows=2)) == ""
    assert names(fitting([], rows=2)) == ""


def test_one_that_must_be_alone_is_a_batch_of_its_own():
    alone = job("1", "a")
    alone.alone = True
    assert names(fitting([alone, job("2", "b")], rows=8)) == "1"
    assert names(fitting([job("2", "b"), alone], rows=8)) == "2"


def test_what_is_ready_waits_a_moment_for_company():
    world = World(max_rows=4, window_s=0.003)
    world.add(job("1", "-"))
    assert world.turn() == ""
    assert world.scheduler.due() == 0.003
    world.now = 0.002
    world.add(job("2", "-"))
    assert world.turn() == ""
    world.now = 0.003
    assert world.turn() == "12"
    assert world.scheduler.due() is None


def test_a_full_batch_waits_for_nobody():
    world = World(max_rows=2, window_s=0.003)
    world.add(job("1", "-"), job("2", "-"), job("3", "-"))
    assert world.turn() == "12"


def test_a_batch_that_the_next_does_not_fit_waits_for_nobody():
    world = World(max_rows=3, window_s=0.003)
    world.add(job("1", "--"), job("2", "--"))
    assert world.turn() == "1"


def test_the_moment_begins_when_the_adapters_are_loaded():
    world = World(window_s=0.003)
    world.add(job("1", "a"))
    assert world.turn() == ""
    world.now = 7.0
    world.load()
    assert world.turn() == ""
    assert world.scheduler.due() == 7.003


def test_no_more_rows_run_at_once_than_the_limit_over_all_batches():
    world = World(max_rows=4)
    world.add(job("1", "---"), job("2", "--"), job("3", "-"))
    assert [world.turn(), world.turn()] == ["1", ""], "2 does not fit, and 3 does not go before it"
    world.end()
    assert world.turn() == "23"


def test_no_more_batches_run_at_once_than_the_limit():
    world = World(max_rows=8, max_batches=2)
    started = []
    for name in "1234":
        world.add(job(name, "-"))
        started.append(world.turn())
    assert started == ["1", "2", "", ""]
    world.end()
    assert world.turn() == "34", "those who waited go together"


def test_an_adapter_that_needs_a_load_does_not_hold_up_those_that_are_loaded():
    world = World()
    world.resident("b")
    world.add(job("1", "a"), job("2", "b"), job("3", "-"))
    assert world.turn() == "23"
    world.load()
    assert world.turn() == "1"


def test_an_adapter_is_loaded_while_batches_run():
    world = World(slots=2, max_rows=1)
    world.resident("a")
    world.add(job("1", "a"), job("2", "b"))
    assert world.turn() == "1"
    assert [load.adapter.repo for load in world.loading] == ["b"]


def test_no_more_is_loaded_ahead_than_the_next_batches_can_take():
    world = World(slots=8, max_rows=2)
    world.add(*(job(name, name) for name in "abcdefgh"))
    world.turn()
    assert [load.adapter.repo for load in world.loading] == ["a", "b"]


def test_several_who_wait_for_one_load_begin_together():
    world = World()
    world.add(job("1", "a"), job("2", "a", client="x"))
    assert world.turn() == ""
    assert len(world.loading) == 1
    world.load()
    assert world.turn() == "12"


def test_one_whose_load_is_done_goes_before_those_who_came_after_it():
    world = World(max_rows=2)
    world.resident("b")
    world.add(job("1", "a"), *(job(name, "b") for name in "234567"))
    assert world.turn() == "23"
    world.load()
    world.end()
    assert world.turn() == "14"


def test_a_client_with_many_waiting_does_not_hold_up_anothers_first_one():
    world = World(max_rows=2)
    world.add(*(job(f"{n:02}", "-", client="x") for n in range(40)))
    assert world.turn() == "0001"
    world.add(job("y", "-", client="y"))
    world.end()
    assert "y" in world.turn()


def test_past_one_that_no_slots_can_be_had_for_only_so_many_go():
    """Two adapters that are always asked again would keep both slots in use for ever."""
    world = World(slots=2, max_rows=8, max_batches=8)
    world.resident("ab")
    world.add(job("0", "a", client="x"), job("0", "b", client="x"))
    world.turn()
    starved = job("S", "cd", client="y")
    world.add(starved)
    for n in range(10 * PATIENCE):
        world.add(job("a", "a", client=f"a{n}"), job("b", "b", client=f"b{n}"))
        world.turn()
        world.load()
        if starved in world.begun:
            break
        if world.batches:
            world.end()
    passed = world.begun[2 : world.begun.index(starved)]
    assert len(passed) == PATIENCE
    world.add(job("B", "-"))
    world.end(-1)
    assert "B" in world.turn(), "whoever needs no slot never waited for one"


def test_a_base_alone_goes_past_one_that_waits_for_slots():
    world = World(slots=1)
    world.resident("a")
    world.add(job("1", "a"))
    world.turn()
    world.add(job("2", "b"), *(job("B", "-", client=f"c{n}") for n in range(2 * PATIENCE)))
    for _ in range(2 * PATIENCE):
        world.turn()
        if len(world.batches) > 1:
            world.end(1)
    assert len(world.begun) == 1 + 2 * PATIENCE
    world.end()
    world.turn()
    world.load()
    assert world.turn() == "2"


def test_nobody_starves_whatever_is_asked():
    """Few slots, many adapters: past none go more than the patience, and those while it is being loaded."""
    world = World(slots=3, max_rows=6, max_batches=2)
    asked = ["a", "ab", "abc", "d", "a", "ea", "fgh", "i", "bcd", "b"]
    waiting: list[Job] = []
    passed: dict[Job, int] = {}
    for n in range(1500):
        if len(waiting) < 12:
            waiting.append(job(str(n), asked[n % len(asked)], client=str(n)))
            world.add(waiting[-1])
        began = len(world.begun)
        world.turn()
        for one in world.begun[began:]:
            for earlier in waiting[: waiting.index(one)]:
                passed[earlier] = passed.get(earlier, 0) + 1
            waiting.remove(one)
        if n % 2:
            world.load()
        if n % 3 == 0 and world.batches:
            world.end()
    assert len(world.begun) > 700
    assert 8 < max(passed.values()) <= PATIENCE + 6


def test_loading_alone_needs_no_batch():
    world = World(max_batches=1)
    world.add(job("1", "-"))
    world.turn()
    world.add(job("2", "a", rows=0))
    world.turn()
    world.load()
    assert world.turn() == ""
    assert world.scheduler.waiting == ()
    assert world.registry.occupied()[1].users == 0


def test_one_that_runs_again_goes_first_and_alone_and_keeps_its_slot():
    world = World(max_rows=8)
    world.add(job("1", "a"), job("2", "-"))
    world.turn()
    world.load()
    world.turn()
    world.turn()
    (failed,) = world.batches.pop(1)
    assert failed.name == "1"
    world.add(job("3", "-"))
    world.scheduler.again(failed)
    assert world.turn() == "1"
    assert world.turn() == "3"


def test_one_that_goes_away_waits_no_longer_wherever_it_is():
    world = World(max_rows=1)
    jobs = [job("1", "a"), job("2", "b")]
    world.add(*jobs)
    world.turn()
    assert [jobs[0].hold is None, jobs[1].hold is None] == [False, True]
    for one in jobs:
        world.scheduler.remove(one)
    assert world.scheduler.waiting == ()


def test_a_full_queue_takes_nothing_on():
    check_room(waiting_rows=60, own_rows=0, rows=4, max_waiting_rows=64)
    with pytest.raises(Busy, match="61 answers wait, the limit is 64") as refused:
        check_room(waiting_rows=61, own_rows=0, rows=4, max_waiting_rows=64, after_s=7.2)
    assert refused.value.after_s == 7.2


def test_no_one_client_can_fill_the_queue_for_all():
    check_room(waiting_rows=47, own_rows=47, rows=1, max_waiting_rows=64)
    with pytest.raises(Busy, match="48 answers wait, the limit is 48"):
        check_room(waiting_rows=48, own_rows=48, rows=1, max_waiting_rows=64)
    check_room(waiting_rows=48, own_rows=0, rows=1, max_waiting_rows=64)
