"""Where each adapter of a comparison looks: one turn of the engine, with its slots held, and all its ends."""

from concurrent.futures import CancelledError

import numpy as np
import pytest

from serving.core.engine import Work
from zoo.asking import Sampling, question
from zoo.errors import BadDeclaration, BadInput, Busy, DeadlinePassed, EngineFailed, Stopped


@pytest.fixture
def look(ask):
    """Call it with a rig and variants for the future of a look."""

    def look(rig, *names, text="Q", **work):
        adapters = ask.adapters(rig, *names)
        wanted = Work(
            images=(ask.image,), turns=question(text), adapters=adapters, sampling=Sampling(), **work
        )
        return rig.engine.look(wanted)

    return look


def idle(rig) -> bool:
    return rig.engine.drain(timeout_s=60) and not any(o.users for o in rig.registry.occupied().values())


def test_each_adapter_looks_from_its_own_slot_in_the_order_asked_and_on_its_own_scale(rig, look):
    found = look(rig, "mdpo", "base", "sft").result(60)
    assert len(rig.model.looked) == 1
    slots = rig.model.looked[0]
    assert [rig.model.slots[slot] for slot in slots] == ["mdpo", "base", "sft"]
    loads = {one.load.slot: one.load.number for one in rig.registry.occupied().values()}
    assert [one.load for one in found] == [loads.get(slot, 0) for slot in slots]
    assert [one.peak for one in found] == [2.0 + slot for slot in slots]
    for one in found:
        (only,) = one.maps
        assert only.box == (0.0, 0.0, 1.0, 1.0)
        expected = np.full((2, 3), 1 / one.peak, dtype=np.float32)
        expected[0, 0] = 1
        assert only.values.dtype == np.float32
        np.testing.assert_array_equal(only.values, expected)
    assert idle(rig)


def test_a_look_and_an_answer_share_the_features_of_the_picture(rig, ask, look):
    ask(rig, "sft").done.result(60)
    look(rig, "base", "sft").result(60)
    assert rig.model.encoded == 1


def test_a_look_comes_between_the_steps_of_an_answer_and_disturbs_none(rig, ask, look):
    rig.model.gate.clear()
    answer = ask(rig, "sft", question="a b c d e f")
    assert rig.model.busy.wait(60)
    looking = look(rig, "base", "sft")
    looking.add_done_callback(lambda done: steps.append(len(rig.model.steps)))
    steps: list[int] = []
    rig.model.gate.set()
    looking.result(60)
    assert answer.done.result(60)[0].text == "sft: a b c d e f 64x48"
    assert 0 < steps[0] < len(rig.model.steps) == 8


def test_adapters_that_are_looked_from_are_not_evicted_meanwhile(make_rig, ask, look):
    rig = make_rig(slots=1)
    rig.model.gate.clear()
    looking = look(rig, "sft")
    assert rig.model.busy.wait(60)
    assert ask.users(rig) == {"sft": 1}
    other = ask(rig, "mdpo")
    rig.model.gate.set()
    assert looking.result(60)[0].load == 1
    assert other.done.result(60)[0].load == 2
    assert idle(rig)


def test_what_was_looked_at_with_other_weights_is_withheld(rig, look):
    rig.model.gate.clear()
    looking = look(rig, "sft")
    assert rig.model.busy.wait(60)
    (slot,) = rig.registry.occupied()
    rig.model.digests[slot] = "other"
    rig.model.gate.set()
    with pytest.raises(EngineFailed, match="replaced"):
        looking.result(60)


def test_a_base_that_cannot_tell_says_so_and_a_fault_quotes_nothing(rig, ask, look):
    with pytest.raises(BadDeclaration, match="no grid"):
        look(rig, "sft", text="gridless").result(60)
    with pytest.raises(BadInput, match="this cannot be asked"):
        look(rig, "sft", text="unspeakable").result(60)
    with pytest.raises(EngineFailed) as failed:
        look(rig, "sft", text="explode SECRET").result(60)
    assert "SECRET" not in str(failed.value)
    assert ask(rig, "sft").done.result(60)[0].text == "sft: Q 64x48"
    assert idle(rig)


def test_a_look_is_given_up_when_it_is_cancelled_or_too_late(rig, look):
    rig.model.load_gate.clear()
    gone, late = look(rig, "sft"), look(rig, "mdpo", deadline=rig.engine._clock() + 0.05)
    gone.cancel()
    with pytest.raises(DeadlinePassed):
        late.result(60)
    rig.model.load_gate.set()
    with pytest.raises(CancelledError):
        gone.result(60)
    assert idle(rig)
    assert rig.model.looked == []


def test_looks_wait_in_the_same_queue_as_answers(make_rig, ask, look):
    rig = make_rig(max_waiting_rows=2)
    rig.model.gate.clear()
    running = ask(rig, "base")
    assert rig.model.busy.wait(60)
    waiting = [look(rig, "base"), ask(rig, "base", client="b").done]
    with pytest.raises(Busy):
        look(rig, "base", client="c")
    rig.model.gate.set()
    for one in (running.done, *waiting):
        one.result(60)
    with pytest.raises(BadInput, match="17 adapters in one comparison"):
        look(rig, *["base"] * 17)


def test_an_engine_that_was_closed_takes_no_look(rig, look):
    rig.engine.close()
    with pytest.raises(Stopped):
        look(rig, "base")
