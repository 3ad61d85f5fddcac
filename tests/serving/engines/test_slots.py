"""Adapters come into slots and leave them, while others answer."""

import gc
import shutil
import time
import weakref

import pytest

from serving.core.registry import Status
from zoo.errors import DeadlinePassed, EngineFailed, Stopped, WrongBase


def until(condition) -> None:
    """Wait for another thread."""
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.001)


def test_more_adapters_than_slots_take_turns_and_never_answer_for_each_other(make_rig, ask):
    rig = make_rig(slots=2)
    names = ["mdpo", "sft", "text_hallu"] * 4
    tickets = [ask(rig, name, client=str(n)) for n, name in enumerate(names)]
    outputs = [ticket.done.result(60)[0] for ticket in tickets]
    assert [one.text.split(":")[0] for one in outputs] == names
    who = {}
    for name, output in zip(names, outputs, strict=True):
        assert who.setdefault(output.load, name) == name, "a load is of one adapter"


def test_an_adapter_is_loaded_while_a_batch_runs(rig, ask):
    rig.model.gate.clear()
    running = ask(rig, "base")
    assert rig.model.busy.wait(60)
    loading = rig.engine.warm(*ask.adapters(rig, "sft"))
    waiting = ask(rig, "mdpo")
    assert not running.done.done()
    rig.model.gate.set()
    loading.result(60)
    assert waiting.done.result(60)[0].load == 2


def test_what_is_loaded_answers_while_another_is_loading(rig, ask):
    rig.engine.warm(*ask.adapters(rig, "sft")).result(60)
    rig.model.load_gate.clear()
    slow = ask(rig, "mdpo")
    assert ask(rig, "sft", "base").done.result(60)
    assert not slow.done.done()
    rig.model.load_gate.set()
    assert slow.done.result(60)[0].text == "mdpo: Q 64x48"


def test_several_who_wait_for_one_adapter_cause_one_load(rig, ask):
    rig.model.load_gate.clear()
    tickets = [ask(rig, "sft", "base", question=f"q{n}") for n in range(3)]
    rig.model.load_gate.set()
    assert {ticket.done.result(60)[0].load for ticket in tickets} == {1}
    assert rig.model.loads == 1


def test_an_adapter_of_another_base_fails_alone_and_frees_its_slot(make_rig, ask):
    rig = make_rig(slots=1)
    with pytest.raises(WrongBase):
        ask(rig, "other").done.result(60)
    assert ask(rig, "mdpo").done.result(60)[0].text.startswith("mdpo:")
    assert rig.registry.status("local/other", "9" * 40).state == "failed"
    assert rig.registry.status("local/mdpo", "2" * 40).state == "resident"


def test_everyone_who_waits_for_a_load_that_fails_is_told_why_and_the_next_one_tries_anew(rig, ask):
    load, faults = rig.model.load, [WrongBase("made for another")]

    def fail(*args):
        rig.model.load_gate.wait(60)
        if faults:
            raise faults.pop()
        load(*args)

    rig.model.load = fail
    rig.model.load_gate.clear()
    tickets = [ask(rig, "sft", "mdpo"), ask(rig, "sft")]
    fine = ask(rig, "base", "mdpo")
    rig.model.load_gate.set()
    assert [str(ticket.done.exception(60)) for ticket in tickets] == ["made for another"] * 2
    assert len(fine.done.result(60)) == 2
    assert [one.text for one in ask(rig, "sft", "mdpo").done.result(60)] == ["sft: Q 64x48", "mdpo: Q 64x48"]
    until(lambda: ask.users(rig) == {"sft": 0, "mdpo": 0})


def test_a_load_that_fails_for_another_reason_is_told_by_its_type_alone(rig, ask, caplog):
    def fail(*args):
        raise OSError("/a/patient's/path")

    rig.model.load = fail
    with pytest.raises(EngineFailed, match=r"the engine failed on this comparison \(OSError\)"):
        ask(rig, "sft").done.result(60)
    assert rig.registry.status("local/sft", "0" * 40) == Status("failed", "OSError")
    assert "patient" not in caplog.text.replace('raise OSError("/a/patient', "")


def test_an_adapter_can_be_loaded_ahead_of_its_first_question(rig, ask):
    (mdpo,) = ask.adapters(rig, "mdpo")
    assert rig.engine.warm(mdpo).result(60) is None
    assert rig.registry.status("local/mdpo", "2" * 40).state == "resident"
    assert ask.users(rig) == {"mdpo": 0}
    with pytest.raises(WrongBase):
        rig.engine.warm(*ask.adapters(rig, "other")).result(60)
    assert rig.model.batches == []


def test_a_pinned_adapter_is_evicted_last(make_rig, ask):
    rig = make_rig(slots=2)
    rig.engine.warm(*ask.adapters(rig, "sft"), pin=True).result(60)
    ask(rig, "mdpo").done.result(60)
    ask(rig, "text_hallu").done.result(60)
    assert set(ask.users(rig)) == {"sft", "text_hallu"}


def test_unloading_waits_for_the_last_answer_and_a_later_question_loads_anew(rig, ask):
    sft = ask.adapters(rig, "sft")[0].id
    rig.model.gate.clear()
    old = ask(rig, "sft")
    assert rig.model.busy.wait(60)
    unloaded = rig.engine.unload(sft)
    new = ask(rig, "sft")
    until(lambda: len(rig.registry.occupied()) == 2)
    assert not unloaded.done()
    rig.model.gate.set()
    assert (old.done.result(60)[0].load, new.done.result(60)[0].load) == (1, 2)
    unloaded.result(60)
    until(lambda: ask.users(rig) == {"sft": 0})
    assert list(rig.registry.occupied()) == [2]
    assert set(rig.model.slots) == {0, 2}


def test_unloading_what_nobody_uses_is_done_soon_and_what_is_not_there_at_once(rig, ask):
    sft = ask.adapters(rig, "sft")[0]
    assert rig.engine.unload(sft.id).done()
    rig.engine.warm(sft).result(60)
    rig.engine.unload(sft.id).result(60)
    assert set(rig.model.slots) == {0}
    assert rig.registry.occupied() == {}
    assert rig.registry.status("local/sft", "0" * 40).state == "on_disk"


def test_two_who_unload_the_same_adapter_both_wait_until_it_is_gone(rig, ask):
    sft = ask.adapters(rig, "sft")[0]
    rig.model.load_gate.clear()
    loading = rig.engine.warm(sft)
    until(lambda: rig.model.loads == 1)
    both = [rig.engine.unload(sft.id) for _ in range(2)]
    assert not any(one.done() for one in both)
    rig.model.load_gate.set()
    for one in both:
        one.result(60)
    assert loading.exception(60) is None
    assert rig.registry.occupied() == {}


def test_unloading_ends_even_if_the_load_under_way_fails(rig, ask):
    other = ask.adapters(rig, "other")[0]
    rig.model.load_gate.clear()
    loading = rig.engine.warm(other)
    until(lambda: rig.model.loads == 1)
    unloaded = rig.engine.unload(other.id)
    rig.model.load_gate.set()
    unloaded.result(60)
    assert isinstance(loading.exception(60), WrongBase)


def test_weights_that_were_read_once_are_kept_in_memory_within_their_bytes(make_rig, ask):
    size = (ask.adapters(make_rig(), "sft")[0].folder / "adapter_model.safetensors").stat().st_size
    rig = make_rig(slots=1, host_bytes=2 * size)
    for name in ("sft", "mdpo", "sft", "mdpo", "text_hallu", "mdpo", "sft"):
        ask(rig, name).done.result(60)
    assert rig.model.loads == 7, "all checks are made on every load"
    assert [name.split("-", 1)[1] for name in rig.model.read_from] == ["sft", "mdpo", "text_hallu", "sft"]


def test_weights_that_failed_a_check_are_read_anew(rig, ask):
    (other,) = ask.adapters(rig, "other")
    for _ in range(2):
        with pytest.raises(WrongBase):
            rig.engine.warm(other).result(60)
    assert len(rig.model.read_from) == 2


def test_weights_in_memory_that_fail_a_check_are_read_anew_too(make_rig, ask):
    rig = make_rig(slots=1)
    (sft,) = ask.adapters(rig, "sft")
    rig.engine.warm(sft).result(60)
    ask(rig, "mdpo").done.result(60)
    load = rig.model.load
    rig.model.load = lambda *args: load(*args[:3])  # lacks the content
    assert isinstance(rig.engine.warm(sft).exception(60), EngineFailed)
    rig.model.load = load
    rig.engine.warm(sft).result(60)
    assert [name.split("-", 1)[1] for name in rig.model.read_from] == ["sft", "mdpo", "sft"]


@pytest.mark.parametrize("how", ["by its unloading", "by its eviction"])
def test_a_slot_that_could_not_be_cleared_is_cleared_before_it_is_filled_again(make_rig, ask, how, caplog):
    rig, clears = make_rig(slots=1), []
    (sft,) = ask.adapters(rig, "sft")
    rig.engine.warm(sft).result(60)
    clear = rig.model.clear

    def fail_once(slot):
        clears.append(slot)
        if len(clears) == 1:
            raise RuntimeError("of the device")
        clear(slot)

    rig.model.clear = fail_once
    if how == "by its unloading":
        rig.engine.unload(sft.id).result(60)
    else:
        with pytest.raises(EngineFailed, match="RuntimeError"):
            ask(rig, "mdpo").done.result(60)
    assert ask(rig, "mdpo").done.result(60)[0].text == "mdpo: Q 64x48"
    assert clears == [1, 1]
    assert rig.engine.alive


def test_an_engine_whose_loader_has_ended_takes_no_work(rig, ask):
    rig.engine._slots._loader.close(timeout_s=60)
    assert not rig.service.ready
    with pytest.raises(Stopped):
        ask(rig, "base")


def test_a_failed_load_keeps_nothing_of_what_was_read(rig, ask):
    class Content(bytearray):
        pass

    read, seen = rig.model.read, []

    def read_other(folder):
        content = Content(read(folder))
        seen.append(weakref.ref(content))
        return content

    rig.model.read = read_other
    gc.disable()
    try:
        failed = rig.engine.warm(*ask.adapters(rig, "other")).exception(60)
        until(lambda: seen[0]() is None)
    finally:
        gc.enable()
    assert isinstance(failed, WrongBase)


def test_unloading_ends_though_the_engine_is_closed(rig, ask):
    (sft,) = ask.adapters(rig, "sft")
    rig.engine.warm(sft).result(60)
    rig.engine.close()
    rig.engine.unload(sft.id).result(60)


def test_loading_ahead_is_given_up_at_its_deadline_and_when_it_is_cancelled(make_rig, ask):
    rig = make_rig(slots=1)
    rig.model.gate.clear()
    running = ask(rig, "sft")  # keeps the slot
    assert rig.model.busy.wait(60)
    (mdpo,) = ask.adapters(rig, "mdpo")
    late, cancelled = rig.engine.warm(mdpo, deadline=time.monotonic() + 0.05), rig.engine.warm(mdpo)
    time.sleep(0.06)
    cancelled.cancel()
    rig.model.gate.set()
    with pytest.raises(DeadlinePassed):
        late.result(60)
    running.done.result(60)
    assert rig.engine.drain(timeout_s=60)
    assert rig.model.loads == 1


def test_an_adapter_whose_files_are_gone_is_loaded_from_memory(make_rig, ask):
    rig = make_rig(slots=1)
    (sft,) = ask.adapters(rig, "sft")
    rig.engine.warm(sft).result(60)
    ask(rig, "mdpo").done.result(60)
    shutil.rmtree(sft.folder)
    rig.engine.warm(sft).result(60)
