"""The engine over replicas: what is lost begins anew, and nothing is told twice or by the wrong weights."""

import asyncio
import time

import pytest

from serving.cluster.engine import RemoteEngine
from serving.cluster.wire import Alive, Begun, Done, Failed, ReplicaLost, failed
from serving.core.origin import Origin, on_behalf
from serving.core.registry import Registry
from serving.core.watch import Watch
from tests.serving.cluster._replicas import BASE, FIRST, SECOND, Scripted, output, report, says, work
from zoo.asking import Piece
from zoo.errors import BadInput, Busy, DeadlinePassed, EngineFailed, NotFinite, Stopped, UnknownName

LIMIT_S = 60


class Counted(Watch):
    def __init__(self):
        self.failures, self.anew, self.seen = [], [], []

    def failed(self, reason):
        self.failures.append(reason)

    def again(self, reason):
        self.anew.append(reason)

    def replicas(self, standing, gone):
        self.seen.append((standing, gone))


@pytest.fixture
def over():
    """Call it with replicas for an engine over them."""
    made = []

    def make(replicas, **options):
        options = {"base": BASE, "slots": 2, "look_s": 3600, "again_s": 0, "watch": Counted()} | options
        registry = options.pop("registry", None) or Registry(slots=2)
        made.append(RemoteEngine(replicas, registry, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def heard(engine, asked):
    """What is told of one row, and the answer."""
    told = []
    outputs = engine.submit(asked, told.append).done.result(LIMIT_S)
    return [piece.text for piece in told], outputs[0].text


def test_words_come_as_they_are_said_and_the_answer_at_the_end(over):
    replicas = Scripted(says("a", " b", " c"))
    assert heard(over(replicas), work(FIRST)) == (["a", " b", " c"], "a b c")
    assert [order.keys for order in replicas.orders] == [["d1"]]


def test_what_a_lost_replica_said_is_not_said_again_and_the_rest_is(over):
    lost = [*says("a", " b", " c")[:2], ReplicaLost()]
    replicas = Scripted(lost, says("a b", " c"))
    engine = over(replicas)
    assert heard(engine, work(FIRST)) == (["a", " b", " c"], "a b c")
    assert [one.work.adapters[0].id.digest for one in replicas.orders] == ["d1", "d1"]


def test_a_stream_that_ends_without_its_end_is_lost_too(over):
    assert heard(over(Scripted(says("a", " b")[:-1], says("a", " b"))), work(FIRST)) == (["a", " b"], "a b")


def test_a_replica_that_is_ending_is_not_the_end_of_the_question(over):
    replicas = Scripted([failed(Stopped("the engine is stopping"))], says("a"))
    assert heard(over(replicas), work(FIRST)) == (["a"], "a")


@pytest.mark.parametrize("other", [("a", " c"), ("x",), ("a",)])
def test_another_replica_that_answers_otherwise_is_an_error_and_not_an_answer(over, other):
    replicas = Scripted([*says("a", " b", " c")[:3], ReplicaLost()], says(*other))
    told, watch = [], Counted()
    with pytest.raises(EngineFailed, match=r"another one (answers|ends)"):
        over(replicas, watch=watch).submit(work(FIRST), told.append).done.result(LIMIT_S)
    assert [piece.text for piece in told] == ["a", " b"]
    assert watch.failures == ["EngineFailed"]


def test_a_question_that_loses_three_replicas_fails_by_name_and_is_counted(over):
    watch = Counted()
    replicas = Scripted(*[[ReplicaLost()]] * 3, says("never"))
    with pytest.raises(EngineFailed, match="3 replicas were lost"):
        over(replicas, watch=watch).submit(work(FIRST)).done.result(LIMIT_S)
    assert len(replicas.orders) == 3
    assert watch.failures == ["EngineFailed"]
    assert watch.anew == ["lost", "lost"]


def test_a_replica_that_hangs_is_silent_and_another_goes_on_where_it_stopped(over):
    watch = Counted()
    replicas = Scripted([Alive("r0"), *says("a", " b", " c")[:2], asyncio.Event()], says("a", " b", " c"))
    replicas.running = [report(0), report(1)]
    engine = over(replicas, silent_s=0.05, watch=watch)
    assert heard(engine, work(FIRST)) == (["a", " b", " c"], "a b c")
    assert [set(order.among) for order in replicas.orders] == [{"r0", "r1"}, {"r1"}]
    assert [order.keys for order in replicas.orders] == [["d1"], ["d1"]]
    assert replicas.cancelled.is_set()
    assert watch.anew == ["silent"]


def test_one_that_says_that_it_has_the_question_is_not_silent(over):
    waits = [item for _ in range(20) for item in (Alive("r0"), 0.01)]
    assert heard(over(Scripted([*waits, *says("a")]), silent_s=0.1), work(FIRST)) == (["a"], "a")


def test_where_nobody_stands_a_question_waits_as_long_as_it_has_time(over):
    replicas = Scripted(*[[asyncio.Event()]] * 4, says("a"))
    replicas.running = []
    watch = Counted()
    assert heard(over(replicas, silent_s=0.01, watch=watch), work(FIRST)) == (["a"], "a")
    assert watch.anew == []


def test_the_client_hears_that_all_are_busy_and_not_that_one_is(over):
    busy = [[Alive(name), failed(Busy(f"{name} is full"))] for name in ("r0", "r1")]
    watch = Counted()
    replicas = Scripted(busy[0], says("a"), busy[0], busy[1])
    replicas.running = [report(0), report(1)]
    engine = over(replicas, watch=watch)
    assert heard(engine, work(FIRST)) == (["a"], "a")
    assert [set(order.among) for order in replicas.orders] == [{"r0", "r1"}, {"r1"}]
    assert (watch.anew, watch.failures) == (["busy"], [])
    with pytest.raises(Busy, match="r1 is full"):
        engine.submit(work(FIRST)).done.result(LIMIT_S)
    assert watch.failures == ["Busy"]


def test_one_that_is_asked_again_and_still_busy_ends_it(over):
    busy = [Alive("r0"), failed(Busy("full"))]
    replicas = Scripted(busy, busy)
    replicas.running = [report(0), report(1)]
    with pytest.raises(Busy):
        over(replicas).submit(work(FIRST)).done.result(LIMIT_S)


def test_a_word_without_a_digest_before_it_is_not_told(over):
    told = []
    with pytest.raises(EngineFailed, match="other weights"):
        over(Scripted(says("a", " b")[1:])).submit(work(FIRST), told.append).done.result(LIMIT_S)
    assert told == []


@pytest.mark.parametrize("held", ["d2", None, BASE])
def test_other_weights_than_were_asked_for_say_not_a_word(over, held):
    told = []
    with pytest.raises(EngineFailed, match="other weights"):
        over(Scripted(says("a", digest=held))).submit(work(FIRST), told.append).done.result(LIMIT_S)
    assert told == []


def test_weights_that_changed_while_they_answered_give_no_answer(over):
    right = says("a")
    wrong = Done(held=("d2",), given=(output("a", "d2"),))
    with pytest.raises(EngineFailed, match="other weights"):
        over(Scripted([*right[:-1], wrong])).submit(work(FIRST)).done.result(LIMIT_S)


def test_a_base_of_another_revision_gives_no_answer(over):
    other = "phantom@" + "b" * 40
    with pytest.raises(EngineFailed, match="other weights"):
        over(Scripted(says("a", digest=other))).submit(work(None)).done.result(LIMIT_S)


def test_a_cluster_of_another_base_is_refused_at_the_start(over):
    replicas = Scripted()
    replicas.running = [report(0), report(1, base="llava@" + "c" * 40)]
    with pytest.raises(BadInput, match="it runs llava@c"):
        over(replicas)


def test_a_cluster_with_other_settings_is_refused_by_their_names(over):
    replicas = Scripted()
    replicas.running = [report(0, slots=4, dtype="float32")]
    with pytest.raises(BadInput, match=": slots is 4 there and 8 here\n"):
        over(replicas, alike={"slots": 8, "dtype": "float32"})


def test_a_replica_that_comes_with_other_settings_does_not_count_and_is_told_of_once(over, caplog):
    replicas, watch = Scripted(), Counted()
    replicas.running = [report(0, slots=8)]
    engine = over(replicas, alike={"slots": 8}, watch=watch)
    replicas.running = [report(0, slots=8), report(1, slots=4)]
    for _ in range(2):
        engine._standing.look()
    assert engine._standing.names == ("r0",)
    assert [one.message for one in caplog.records] == ["of the cluster: slots is 4 there and 8 here"]
    replicas.running = []
    engine._standing.look()
    assert watch.seen == [(1, 0), (1, 0), (1, 0), (0, 1)]


def test_a_replicas_error_is_told_whole_and_by_its_own_type(over):
    error, watch = UnknownName("adapter", "mdop", ["mdpo"]), Counted()
    with pytest.raises(UnknownName) as found:
        over(Scripted([failed(error)]), watch=watch).submit(work(FIRST)).done.result(LIMIT_S)
    assert str(found.value) == str(error)
    assert watch.failures == []  # which the replica has counted


def test_an_unforeseen_error_is_told_by_its_type_alone(over):
    with pytest.raises(EngineFailed, match=r"failed on this comparison \(KeyError\)\n"):
        over(Scripted([KeyError("SECRET")])).submit(work(FIRST)).done.result(LIMIT_S)


def test_while_no_replica_answers_the_questions_own_time_ends_it(over):
    replicas, watch = Scripted([asyncio.Event()]), Counted()
    replicas.running = []
    engine = over(replicas, watch=watch)
    assert not engine.alive
    with pytest.raises(DeadlinePassed, match="no answer within"):
        engine.submit(work(FIRST, deadline=time.monotonic() + 0.05)).done.result(LIMIT_S)
    assert replicas.cancelled.wait(LIMIT_S)
    assert watch.failures == ["DeadlinePassed"]
    assert 0 < replicas.orders[0].left_s <= 0.05


def test_a_cancelled_question_is_cancelled_at_the_replica(over):
    replicas = Scripted([asyncio.Event()])
    engine = over(replicas)
    ticket = engine.submit(work(FIRST))
    assert replicas.waiting.wait(LIMIT_S)
    ticket.cancel()
    assert replicas.cancelled.wait(LIMIT_S)
    assert engine.drain(timeout_s=LIMIT_S)


def test_a_listener_that_fails_has_gone_away(over):
    replicas = Scripted([*says("a", " b")[:2], asyncio.Event()])
    ticket = over(replicas).submit(work(FIRST), lambda _: 1 / 0)
    assert replicas.cancelled.wait(LIMIT_S)
    assert ticket.done.cancelled()


def test_room_is_by_what_is_under_way_at_all_replicas(over):
    replicas = Scripted([asyncio.Event()], [asyncio.Event()], [asyncio.Event()])
    replicas.running = [report(0), report(1)]
    engine = over(replicas, max_rows=1, max_waiting_rows=1)
    for client in "abc":
        engine.submit(work(FIRST, client=client))
    with pytest.raises(Busy, match="1 answers wait, the limit is 2"):
        engine.check_room(rows=2, client="d")
    engine.check_room(rows=1, client="d")


def test_more_adapters_than_a_replica_has_slots_are_refused(over):
    with pytest.raises(BadInput, match="this engine runs at most 1"):
        over(Scripted(), slots=1).submit(work(FIRST, SECOND))


def test_draining_waits_for_what_is_under_way_and_takes_no_more(over):
    replicas = Scripted([asyncio.Event()])
    engine = over(replicas)
    ticket = engine.submit(work(FIRST))
    assert replicas.waiting.wait(LIMIT_S)
    assert not engine.drain(timeout_s=0.01)
    with pytest.raises(Stopped):
        engine.submit(work(FIRST))
    engine.close()
    engine.close()
    with pytest.raises(Stopped, match="the server is stopping"):
        ticket.done.result(0)
    assert replicas.cancelled.is_set()
    assert replicas.closed == 1
    assert not engine.alive


def test_what_another_thread_is_settling_is_not_settled_twice(over):
    replicas = Scripted([asyncio.Event()])
    engine = over(replicas)
    ticket = engine.submit(work(FIRST))
    engine._open.remove(ticket)
    ticket.done.set_running_or_notify_cancel()  # so far has the other one come
    engine._settle(ticket, Stopped("the server is stopping"))
    assert not ticket.done.done()


def test_the_list_tells_which_adapters_are_in_a_slot_anywhere(over):
    replicas, registry = Scripted(), Registry(slots=2)
    replicas.running = [report(0, FIRST), report(1, SECOND)]
    engine = over(replicas, registry=registry)
    states = [registry.status(one.repo, one.sha).state for one in (FIRST, SECOND)]
    replicas.running = [report(1, SECOND)]
    engine._standing.look()
    after = [registry.status(one.repo, one.sha).state for one in (FIRST, SECOND)]
    assert (states, after) == (["resident", "resident"], ["on_disk", "resident"])


def test_an_adapter_that_was_loaded_is_listed_so_at_once_and_one_that_must_not_be_says_why(over):
    registry, done = Registry(slots=2), Done(held=("d1",), given=None)
    engine = over(Scripted([done], [failed(NotFinite("a NaN"))]), registry=registry)
    assert engine.warm(work(FIRST).adapters[0]).result(LIMIT_S) is None
    assert registry.status(FIRST.repo, FIRST.sha).state == "resident"
    with pytest.raises(NotFinite):
        engine.warm(work(SECOND).adapters[0]).result(LIMIT_S)
    assert registry.status(SECOND.repo, SECOND.sha).reason == "a NaN"


def test_what_is_pinned_every_replica_is_told_until_it_is_unloaded(over):
    replicas = Scripted([Done(held=("d1",), given=None)])
    engine = over(replicas)
    engine.warm(work(FIRST).adapters[0], pin=True).result(LIMIT_S)
    engine._standing.look()
    assert replicas.asked_for[-1] == {(FIRST.repo, FIRST.sha)}
    engine.unload(FIRST).result(LIMIT_S)
    engine._standing.look()
    assert replicas.asked_for[-1] == set()
    assert replicas.unloaded == [FIRST]


def test_a_replica_that_could_not_unload_says_so(over):
    replicas = Scripted()
    replicas.unloads = [None, Failed("EngineFailed", {"message": "no", "hint": ""})]
    with pytest.raises(EngineFailed, match="no"):
        over(replicas).unload(FIRST).result(LIMIT_S)


def test_replicas_that_cannot_be_asked_are_none(over):
    replicas = Scripted()
    engine = over(replicas)
    assert engine.alive
    replicas.running = ["of another version"]
    engine._standing.look()
    assert not engine.alive
    replicas.running = [report(0)]
    engine._standing.look()
    assert engine.alive
    replicas.reports = lambda *_, **__: 1 / 0
    engine._standing.look()
    assert not engine.alive


def test_a_question_takes_its_request_along(over):
    replicas = Scripted(says("a"))
    engine = over(replicas)
    with on_behalf(Origin(request="r1", trace="t", span="s")):
        engine.submit(work(FIRST)).done.result(LIMIT_S)
    assert replicas.orders[0].origin == Origin(request="r1", trace="t", span="s")


def test_rows_are_told_apart(over):
    items = [
        Begun(held=("d1", BASE)),
        Piece(1, "base", 1, "stop"),
        Piece(0, "one", 1, "stop"),
        Done(held=("d1", BASE), given=(output("one", "d1"), output("base", ""))),
    ]
    told = []
    outputs = over(Scripted(items)).submit(work(FIRST, None), told.append).done.result(LIMIT_S)
    assert [(one.row, one.text) for one in told] == [(1, "base"), (0, "one")]
    assert [one.text for one in outputs] == ["one", "base"]


def test_pieces_are_sent_only_where_somebody_listens(over):
    replicas = Scripted(says("a"), says("a"))
    engine = over(replicas)
    engine.submit(work(FIRST)).done.result(LIMIT_S)
    heard(engine, work(FIRST))
    assert [order.streams for order in replicas.orders] == [False, True]


def test_an_adapter_that_a_replica_died_over_is_loaded_by_another(over):
    replicas = Scripted([ReplicaLost()], [Done(held=("d1",), given=None)])
    assert over(replicas).warm(work(FIRST).adapters[0]).result(LIMIT_S) is None
    assert len(replicas.orders) == 2
