"""A replica on a fake model: what it sends, and that it raises nothing."""

import asyncio
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.cluster import replica as module
from serving.cluster.replica import EngineReplica, Place
from serving.cluster.wire import Alive, Begun, Done, Failed, Order, raised
from serving.core.engine import OnDisk, Work
from serving.core.origin import NOBODY
from serving.core.requests import AdapterId
from serving.engines.embedded import IDLE_S
from serving.settings import read_settings
from tests.serving._brought import brought
from zoo.asking import Piece, Sampling, question
from zoo.bases import get_base
from zoo.errors import BadAdapter, EngineFailed, WrongBase

LIMIT_S = 60
HERE = Place(number=7, name="seven")


@pytest.fixture
def replica(rig, monkeypatch):
    """One on the rig's model and Hub."""
    banked = SimpleNamespace(load_banked=lambda base, **_: rig.model)
    monkeypatch.setitem(sys.modules, "serving.engines.banked", banked)
    monkeypatch.setattr("serving.cluster.replica.set_up_logs", lambda form: None)
    made = EngineReplica(read_settings(slots=2), where=lambda: HERE, hub=rig.hub)
    yield made
    rig.model.gate.set()
    made.close()


@pytest.fixture
def order(rig, image):
    """Call it with the names of variants, `base` for none, for an order about an image."""

    def ordered(*names, kind="answer", text="Q", folder=None, left_s=LIMIT_S):
        found = [None if n == "base" else brought(rig.library, f"local/{n}").adapter for n in names]
        if folder:
            found = [one and replace(one, folder=folder) for one in found]
        work = Work(images=(image,), turns=question(text), adapters=tuple(found), sampling=Sampling())
        return pickle.loads(pickle.dumps(Order(kind=kind, work=work, left_s=left_s, origin=NOBODY)))

    return ordered


def sent(replica, order):
    """All that becomes of an order."""

    async def gathered():
        return [item async for burst in replica.run(order) for item in burst]

    first, *others = asyncio.run(gathered())
    assert first == Alive(replica._where().name)
    return [one for one in others if one != first]


def test_pieces_come_between_what_the_bank_holds_and_the_answers(replica, order):
    asked = order("mdpo", "base")
    first, *pieces, last = sent(replica, asked)
    digest, base = asked.work.adapters[0].id.digest, get_base("phantom").pinned
    assert first == Begun(held=(digest, base))
    assert all(isinstance(one, Piece) for one in pieces)
    assert "".join(one.text for one in pieces if one.row == 0) == "mdpo: Q 64x48"
    assert last.held == (digest, base)
    assert [one.text for one in last.given] == ["mdpo: Q 64x48", "base: Q 64x48"]


def test_where_nobody_listens_the_answers_come_alone(replica, order):
    asked = order("mdpo")
    (done,) = sent(replica, replace(asked, streams=False))
    assert done.held == (asked.work.adapters[0].id.digest,)
    assert [one.text for one in done.given] == ["mdpo: Q 64x48"]


def test_a_look_and_a_load_say_what_the_bank_holds_too(replica, order):
    held = (order("mdpo").work.adapters[0].id.digest,)
    (loaded,) = sent(replica, order("mdpo", kind="warm"))
    (looked,) = sent(replica, order("mdpo", kind="look"))
    assert (loaded, looked.held) == (Done(held=held, given=None), held)
    assert looked.given[0].peak > 1


def test_no_error_leaves_it_but_as_data_and_no_word_of_the_question_with_it(replica, order):
    (told,) = sent(replica, order("mdpo", text="explode SECRET"))
    assert isinstance(told, Failed)
    assert type(raised(told)) is EngineFailed
    assert "SECRET" not in str(raised(told))
    (told,) = sent(replica, order("other"))
    assert type(raised(told)) is WrongBase


def test_files_that_are_not_here_it_fetches_by_commit_and_believes_by_digest(replica, order, rig):
    asked = order("mdpo", folder=Path("/elsewhere"))
    assert sent(replica, asked)[-1].held == (asked.work.adapters[0].id.digest,)
    assert rig.hub.fetched[-1] == str(asked.work.adapters[0].id)
    one = asked.work.adapters[0]
    other = OnDisk(AdapterId(one.id.repo, one.id.sha, "f" * 64), one.folder, one.manifest)
    (told,) = sent(replica, replace(asked, work=replace(asked.work, adapters=(other,))))
    assert type(raised(told)) is BadAdapter
    assert "ffffffffffff" in raised(told).message


def test_whoever_stops_listening_has_its_rows_freed(replica, order, rig):
    rig.model.gate.clear()

    async def left():
        sending = replica.run(order("mdpo"))
        await anext(sending)
        waiting = asyncio.ensure_future(anext(sending))
        while not rig.model.busy.is_set():
            await asyncio.sleep(0.001)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        rig.model.gate.set()

    asyncio.run(left())
    assert replica._engine.drain(timeout_s=LIMIT_S)
    assert len(rig.model.steps) <= 2


def test_it_reports_what_is_in_its_slots_and_takes_what_is_pinned(replica, order):
    sent(replica, order("mdpo"))
    sent(replica, order("sft"))
    adapters = [order(name).work.adapters[0].id for name in ("mdpo", "sft")]
    told = asyncio.run(replica.report(frozenset({(adapters[0].repo, adapters[0].sha)})))
    assert (told.replica, told.name, set(told.resident)) == (7, "seven", set(adapters))
    assert told.settings["slots"] == 2
    assert b"medzoo_resident_adapters 2.0" in told.metrics
    sent(replica, order("text_hallu"))
    resident = asyncio.run(replica.report(frozenset())).resident
    assert adapters[0] in resident
    assert adapters[1] not in resident
    assert asyncio.run(replica.unload(adapters[0])) is None
    assert adapters[0] not in asyncio.run(replica.report(frozenset())).resident


def test_no_two_replicas_number_a_load_alike(replica, order, rig):
    first = sent(replica, order("mdpo"))[-1].given[0].load
    other = EngineReplica(read_settings(slots=2), where=lambda: Place(number=0, name="other"), hub=rig.hub)
    rig.model.slots, rig.model.digests = {0: "base"}, {0: ""}
    try:
        assert sent(other, order("mdpo"))[-1].given[0].load != first
    finally:
        other.close()
    assert first < 2**53


def test_an_engine_that_has_ended_is_not_healthy(replica):
    replica.check_health()
    replica.close()
    with pytest.raises(RuntimeError):
        replica.check_health()


def test_its_deadline_is_by_its_own_clock(replica, order, rig):
    rig.model.load_gate.clear()
    (told,) = sent(replica, order("mdpo", left_s=0.05))
    rig.model.load_gate.set()
    assert raised(told).message.startswith("no answer within")


def test_while_there_is_nothing_to_say_it_says_that_it_has_the_order(replica, order, rig, monkeypatch):
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    rig.model.gate.clear()

    async def heard():
        bursts = []
        async for burst in replica.run(order("mdpo")):
            bursts.append(burst)
            if len(bursts) == 4:
                rig.model.gate.set()
        return bursts

    bursts = asyncio.run(heard())
    assert bursts[:4] == [[Alive("seven")]] * 4
    assert isinstance(bursts[-1][-1], Done)


def test_an_engine_that_is_stuck_in_a_turn_gives_its_orders_back_and_is_not_healthy(
    replica, order, rig, monkeypatch
):
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    replica._stuck_s = 0.05
    rig.model.gate.clear()
    (told,) = sent(replica, order("mdpo"))
    assert told.kind == "Stopped"
    with pytest.raises(RuntimeError, match="stuck"):
        replica.check_health()


def test_an_adapter_that_was_evicted_as_soon_as_it_was_loaded_was_loaded(replica, order, monkeypatch):
    asked = order("mdpo", kind="warm")
    monkeypatch.setattr(replica._engine, "held", lambda adapter: None)
    (done,) = sent(replica, asked)
    assert done.held == (asked.work.adapters[0].id.digest,)


def test_an_engine_that_has_nothing_to_do_is_not_stuck_however_short_a_questions_time_is(rig, replica):
    made = EngineReplica(read_settings(slots=2, timeout_s=1), where=lambda: HERE, hub=rig.hub)
    try:
        assert made._stuck_s > 2 * IDLE_S  # in which it goes round
    finally:
        made.close()
