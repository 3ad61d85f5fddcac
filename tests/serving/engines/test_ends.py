"""Every way in which a comparison ends: answered, cancelled, too late, failed, stopped."""

import threading
from concurrent.futures import CancelledError

import pytest

from serving.core.watch import Watch
from zoo.errors import BadInput, DeadlinePassed, EngineFailed, Stopped


def idle(rig) -> bool:
    """Everything has ended and nobody uses a slot."""
    return rig.engine.drain(timeout_s=60) and not any(o.users for o in rig.registry.occupied().values())


def test_one_that_is_cancelled_frees_its_rows_before_the_next_step(rig, ask):
    said = []

    def leave(piece):
        said.append(piece.text)
        ticket.cancel()

    rig.model.gate.clear()
    ticket = ask(rig, "sft", question="a b c d e f", on_piece=leave)
    other = ask(rig, "base", question="a b c")
    rig.model.gate.set()
    assert other.done.result(60)[0].text == "base: a b c 64x48"
    assert idle(rig)  # they may be two batches
    assert ticket.done.cancelled()
    assert said == ["sft:"]
    assert sum(1 in step for step in rig.model.steps) == 1


def test_one_that_is_cancelled_while_it_waits_never_runs_and_makes_room(make_rig, ask):
    rig = make_rig(max_waiting_rows=1)
    rig.model.gate.clear()
    running = ask(rig, "base")
    assert rig.model.busy.wait(60)
    ask(rig, "sft").cancel()
    last = ask(rig, "base", question="last")
    rig.model.gate.set()
    running.done.result(60)
    last.done.result(60)
    assert idle(rig)
    assert all(batch == [0] for batch in rig.model.batches)


def test_one_that_is_cancelled_while_its_adapter_is_loaded_leaves_the_load_to_others(rig, ask):
    rig.model.load_gate.clear()
    first, second = ask(rig, "sft"), ask(rig, "sft")
    first.cancel()
    with pytest.raises(CancelledError):
        first.done.result(60)
    rig.model.load_gate.set()
    assert second.done.result(60)[0].load == 1
    assert idle(rig)


def test_one_whose_time_is_over_while_it_answers_ends_and_frees_its_rows(make_rig, ask):
    now = [0.0]
    rig = make_rig(clock=lambda: now[0], window_s=0.0)

    def pass_time(piece):
        now[0] += 1.0

    late = ask(rig, "sft", question="a b c d e f", on_piece=pass_time, deadline=2.0)
    with pytest.raises(DeadlinePassed, match=r"no answer within 2\.0 s"):
        late.done.result(60)
    assert idle(rig)
    assert len(rig.model.steps) == 2


def test_one_whose_time_is_over_while_it_waits_ends(rig, ask):
    rig.model.load_gate.clear()
    late = ask(rig, "sft", deadline=rig.engine._clock() + 0.05)
    with pytest.raises(DeadlinePassed):
        late.done.result(60)
    rig.model.load_gate.set()
    assert idle(rig)
    assert rig.model.batches == []


def test_a_question_that_cannot_be_asked_ends_alone_with_its_own_reason(rig, ask):
    rig.model.gate.clear()
    bad, good = ask(rig, "base", question="unspeakable"), ask(rig, "base", question="good")
    rig.model.gate.set()
    assert good.done.result(60)[0].text == "base: good 64x48"
    with pytest.raises(BadInput, match="this cannot be asked"):
        bad.done.result(60)
    assert rig.model.batches == [[0]]
    assert idle(rig)


def test_a_fault_in_a_batch_takes_only_the_culprit_down(make_rig, ask, caplog):
    rig = make_rig(window_s=5.0, max_rows=6)
    bad, *good = (
        ask(rig, "base", *more, question=q)
        for q, more in (("explode", ["sft"]), ("good", ["sft"]), ("fine", ["mdpo"]))
    )
    assert [[o.text for o in one.done.result(60)] for one in good] == [
        ["base: good 64x48", "sft: good 64x48"],
        ["base: fine 64x48", "mdpo: fine 64x48"],
    ]
    with pytest.raises(EngineFailed, match=r"the engine failed on this comparison \(RuntimeError\)"):
        bad.done.result(60)
    assert [len(batch) for batch in rig.model.batches] == [6, 2, 2, 2], "each once more, alone"
    assert idle(rig)
    assert "RuntimeError" in caplog.text
    assert "explode" not in caplog.text


def test_those_who_have_said_something_are_not_begun_anew(make_rig, ask, caplog):
    rig = make_rig(window_s=5.0, max_rows=3)
    said = []
    bad = ask(rig, "sft", question="burst now")
    listening = ask(rig, "mdpo", question="in mid sentence", on_piece=lambda piece: said.append(piece.text))
    silent = ask(rig, "base", question="nobody has heard")
    for one in (bad, listening):
        with pytest.raises(EngineFailed, match="RuntimeError"):
            one.done.result(60)
    assert silent.done.result(60)[0].text == "base: nobody has heard 64x48"
    assert said == ["mdpo:"]
    assert [len(batch) for batch in rig.model.batches] == [3, 1, 1]
    assert idle(rig)
    assert not {"burst", "sentence"} & set(caplog.text.split())


def test_a_fault_that_does_not_come_again_costs_nobody_an_answer(rig, ask):
    begin, faults = rig.model.begin, [MemoryError()]

    def begin_later(rows):
        if faults:
            raise faults.pop()
        return begin(rows)

    rig.model.begin = begin_later
    assert ask(rig, "sft").done.result(60)[0].text == "sft: Q 64x48"
    assert idle(rig)


def test_a_listener_that_fails_is_one_that_has_gone_away(rig, ask, caplog):
    def gone(piece):
        raise RuntimeError("quotes the question")

    rig.model.gate.clear()
    bad, good = ask(rig, "sft", on_piece=gone), ask(rig, "base")
    rig.model.gate.set()
    assert good.done.result(60)
    assert idle(rig)
    assert bad.done.cancelled()
    assert "quotes" not in caplog.text.replace('raise RuntimeError("quotes the question")', "")


@pytest.mark.parametrize("when", [1, 2, 3])
def test_an_answer_is_withheld_if_its_slot_holds_other_weights_at_its_begin_or_end(rig, ask, when):
    rig.engine.warm(*ask.adapters(rig, "sft")).result(60)

    def swap(piece):
        if piece.tokens == when:
            rig.model.digests[1] = "another"

    with pytest.raises(EngineFailed, match="an adapter was replaced under this comparison"):
        ask(rig, "sft", "base", on_piece=swap).done.result(60)
    again = ask(rig, "sft").done.result(60)[0]
    assert (again.text, again.load) == ("sft: Q 64x48", 2), "it was loaded anew"
    assert idle(rig)


def test_nobody_is_answered_from_a_slot_that_holds_other_weights(rig, ask):
    rig.engine.warm(*ask.adapters(rig, "sft")).result(60)
    rig.model.digests[1] = "another"
    with pytest.raises(EngineFailed, match="an adapter was replaced under this comparison"):
        ask(rig, "sft", "base").done.result(60)
    assert rig.model.batches == []
    assert idle(rig)


def test_an_answer_is_withheld_if_its_load_is_no_longer_the_registrys(rig, ask):
    def lose(piece):
        rig.registry._slots[1].load = type(ticket.hold.loads[0])(99, 1, ticket.hold.loads[0].adapter)

    rig.model.gate.clear()
    ticket = ask(rig, "sft", on_piece=lose)
    rig.model.gate.set()
    with pytest.raises(EngineFailed, match="an adapter was replaced under this comparison"):
        ticket.done.result(60)


def test_a_fault_of_the_engine_itself_ends_what_it_had_and_not_the_engine(make_rig, ask, caplog):
    rig = make_rig(window_s=5.0, max_rows=2)
    step, steps = rig.engine._batches.step, []

    def fail_after():
        steps.append(step())
        if len(steps) == 4:
            raise KeyError("quotes the question")

    rig.engine._batches.step = fail_after
    short, long = ask(rig, "mdpo"), ask(rig, "sft", question="a b c")
    assert short.done.result(60)[0].text == "mdpo: Q 64x48", "it had ended before"
    with pytest.raises(EngineFailed, match=r"the engine failed \(KeyError\)"):
        long.done.result(60)
    assert ask(rig, "sft", "base").done.result(60)[0].text == "sft: Q 64x48"
    assert idle(rig)
    assert "quotes" not in caplog.text.replace('raise KeyError("quotes the question")', "")


def test_a_measurement_that_always_fails_costs_nobody_an_answer(make_rig, ask, caplog):
    def fail(self, *values):
        raise KeyError("quotes the question")

    rig = make_rig(watch=type("Broken", (Watch,), dict.fromkeys(("failed", "step", "loaded"), fail))())
    with pytest.raises(BadInput, match="this cannot be asked"):
        ask(rig, "base", question="unspeakable").done.result(60)
    assert ask(rig, "sft", "base").done.result(60)[0].text == "sft: Q 64x48"
    assert idle(rig)
    assert "a measurement failed: KeyError" in caplog.text
    assert "quotes" not in caplog.text


def test_draining_takes_nothing_on_and_waits_for_what_is_under_way(rig, ask):
    rig.model.gate.clear()
    ticket = ask(rig, "base")
    assert rig.model.busy.wait(60)
    assert not rig.engine.drain(timeout_s=0.01)
    assert not rig.engine.alive
    with pytest.raises(Stopped, match="takes no more work"):
        ask(rig, "base")
    rig.model.gate.set()
    assert rig.engine.drain(timeout_s=60)
    assert ticket.done.done()


def test_closing_fails_what_is_not_finished(rig, ask):
    rig.model.gate.clear()
    running = ask(rig, "sft")
    assert rig.model.busy.wait(60)
    waiting = ask(rig, "mdpo")
    closing = threading.Thread(target=rig.engine.close)
    closing.start()
    rig.model.gate.set()
    closing.join(60)
    assert not closing.is_alive()
    for one in (running, waiting):
        with pytest.raises(Stopped, match="stopping"):
            one.done.result(60)
    assert not rig.engine.alive
    assert not any(o.users for o in rig.registry.occupied().values())


def test_whoever_measures_is_told(make_rig, ask):
    class Notes(Watch):
        def __init__(self):
            self.told = []

        def queue(self, rows):
            self.told.append(("queue", rows > 0))

        def batch(self, rows):
            self.told.append(("batch", rows))

        def step(self, tokens, seconds):
            self.told.append(("step", tokens))

        def first_token(self, seconds):
            self.told.append(("first_token", 0 < seconds < 5))

        def loaded(self, adapter, seconds, source, error):
            self.told.append(("loaded", adapter.repo, 0 <= seconds < 5, source, error))

        def ended(self, course):
            self.told.append(("ended", len(course.adapters), course.tokens, course.finish, course.error))

        def evicted(self):
            self.told.append(("evicted",))

        def resident(self, adapters):
            self.told.append(("resident", adapters))

        def failed(self, reason):
            self.told.append(("failed", reason))

    notes = Notes()
    rig = make_rig(slots=1, watch=notes)
    ask(rig, "sft", "base").done.result(60)
    ask(rig, "mdpo").done.result(60)
    with pytest.raises(BadInput):
        ask(rig, "base", question="unspeakable").done.result(60)
    assert [one for one in notes.told if one[0] != "queue"] == [
        ("loaded", "local/sft", True, "disk", ""),
        ("resident", 1),
        ("batch", 2),
        ("step", 2),
        ("first_token", True),
        ("step", 2),
        ("step", 2),
        ("ended", 2, (3, 3), ("stop", "stop"), ""),
        ("evicted",),
        ("loaded", "local/mdpo", True, "disk", ""),
        ("resident", 1),
        ("batch", 1),
        ("step", 1),
        ("first_token", True),
        ("step", 1),
        ("step", 1),
        ("ended", 1, (3,), ("stop",), ""),
        ("failed", "BadInput"),
        ("ended", 1, (), (), "BadInput"),
    ]
    queue = [waits for name, waits in (one for one in notes.told if one[0] == "queue")]
    assert True in queue
    assert queue[-1] is False
