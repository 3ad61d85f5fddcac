"""Whatever is done in whatever order: no slot leaks, none is held twice, none in use is given up."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from serving.core.registry import Hold, Load, Registry
from serving.core.requests import AdapterId

SLOTS = 3
NAMES = st.sampled_from([AdapterId(name, "1", "d") for name in "abcde"])


class RegistryMachine(RuleBasedStateMachine):
    """A loader and comparisons that come and go; beside it a plain list of what is in each slot."""

    holds: "Bundle[Hold]" = Bundle("holds")
    loads: "Bundle[Load]" = Bundle("loads")

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry(slots=SLOTS)
        self.now = 0.0
        self.held: list[Hold] = []
        self.written: dict[int, Load] = {}
        self.writing: dict[int, Load] = {}
        self.numbers: list[int] = []

    def tick(self) -> float:
        self.now += 1
        return self.now

    @rule(targets=(holds,), names=st.lists(NAMES, min_size=0, max_size=SLOTS))
    def acquire(self, names: list[AdapterId]):
        before = self.registry.occupied()
        grant = self.registry.acquire(names, now=self.tick())
        if grant is None:
            assert self.registry.occupied() == before
            return multiple()
        assert {load.adapter for load in grant.hold.loads} == set(names)
        for fresh in grant.fresh:
            if fresh.evicted is None:
                assert fresh.load.slot not in self.written
            else:
                assert self.written.pop(fresh.load.slot) == fresh.evicted
                assert not any(fresh.evicted in hold.loads for hold in self.held), "evicted one in use"
            assert fresh.load.slot not in self.writing
            self.writing[fresh.load.slot] = fresh.load
            self.numbers.append(fresh.load.number)
        self.held.append(grant.hold)
        return multiple(grant.hold)

    @rule(hold=consumes(holds))
    def release(self, hold: Hold):
        self.held.remove(hold)
        self.registry.release(hold, now=self.tick())

    @rule(choice=st.integers(0, SLOTS - 1), fails=st.booleans())
    def finish_a_load(self, choice: int, fails: bool):
        if self.writing:
            slot = sorted(self.writing)[choice % len(self.writing)]
            load = self.writing.pop(slot)
            if fails:
                self.registry.failed(load, OSError())
            else:
                self.registry.loaded(load)
                self.written[slot] = load

    @rule(name=NAMES)
    def unload(self, name: AdapterId):
        self.registry.unload(name)
        assert not self.registry.is_ready([name])

    @rule(name=NAMES)
    def pin(self, name: AdapterId):
        self.registry.pin(name)

    @rule()
    def clear_unused(self):
        for load in self.registry.unused():
            assert self.written.pop(load.slot) == load
            assert not any(load in hold.loads for hold in self.held)
            self.registry.cleared(load)

    @invariant()
    def every_slot_is_free_or_held_by_exactly_one_load(self):
        taken = self.registry.occupied()
        assert set(taken) <= set(range(1, SLOTS + 1))
        for slot, one in taken.items():
            assert one.load.slot == slot
            assert one.users == sum(one.load in hold.loads for hold in self.held)
            expected = {"ready": self.written, "loading": self.writing}.get(one.phase)
            assert expected is None or expected[slot] == one.load
            assert one.phase != "failed" or one.users > 0, "a failed load keeps a slot for nobody"
        assert set(self.written) | set(self.writing) <= set(taken)
        assert len(set(self.numbers)) == len(self.numbers)

    @invariant()
    def what_is_held_is_where_it_was(self):
        for hold in self.held:
            there = all(self.written.get(load.slot) == load for load in hold.loads)
            assert self.registry.holds(hold) == there

    def teardown(self):
        while self.writing:
            self.finish_a_load(0, False)
        for hold in list(self.held):
            self.release(hold)
        self.clear_unused()
        names = [AdapterId(f"new{n}", "1", "d") for n in range(SLOTS)]
        assert self.registry.acquire(names, now=self.tick()) is not None, "a slot leaked"


RegistryMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
TestRegistry = RegistryMachine.TestCase
