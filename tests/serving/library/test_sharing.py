import threading

import pytest

from serving.library.sharing import SharedCalls
from zoo.errors import Busy


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


def test_all_who_want_the_same_share_one_call_and_the_next_is_a_new_one(gate):
    calls = SharedCalls()
    made = []

    def call():
        made.append(len(made))
        gate.wait(120)
        return made[-1]

    shared = [calls.begin("a", call) for _ in range(3)]
    other = calls.begin("b", lambda: "other")
    assert other.result(60) == "other"
    gate.set()
    assert [one.result(60) for one in shared] == [0, 0, 0]
    assert calls.begin("a", call).result(60) == 1


def test_what_a_call_raises_all_who_wait_get_and_the_next_tries_again():
    calls = SharedCalls()
    with pytest.raises(KeyError):
        calls.begin("a", lambda: {}["no"]).result(60)
    assert calls.begin("a", lambda: 1).result(60) == 1


def test_nobody_who_waits_can_cancel_a_call_for_the_others(gate):
    calls = SharedCalls()
    one, other = (calls.begin("a", lambda: gate.wait(120)) for _ in range(2))
    assert not one.cancel()
    gate.set()
    assert other.result(60) is True


def test_a_call_that_hangs_takes_only_those_with_it_who_came_while_it_was_young(gate):
    now = [0.0]
    calls = SharedCalls(stale_s=60, clock=lambda: now[0])
    hangs = calls.begin("a", lambda: gate.wait(120))
    now[0] = 59.0
    assert calls.begin("a", lambda: 2) is hangs
    now[0] = 60.0
    again = calls.begin("a", lambda: 3)
    assert again.result(60) == 3
    gate.set()
    assert hangs.result(60) is True
    assert calls.begin("a", lambda: 4).result(60) == 4


def test_a_thread_that_cannot_be_had_is_told_and_the_next_call_tries_again(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    calls = SharedCalls(at_once=1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(Busy, match="no more threads"):
            calls.begin("a", lambda: 1).result(60)
    assert calls.begin("a", lambda: 2).result(60) == 2


def test_no_more_calls_than_allowed_are_under_way_and_the_others_wait_in_line(gate):
    calls = SharedCalls(at_once=2, waiting=2)
    begun = []

    def call(name):
        begun.append(name)
        return gate.wait(120) and name

    def begin(name):
        return calls.begin(name, lambda: call(name))

    under_way = [begin(name) for name in "ab"]
    while len(begun) < 2:
        pass
    in_line = [begin(name) for name in "cd"]
    with pytest.raises(Busy, match="2 questions to the Hub wait"):
        begin("e")
    assert begin("c") is in_line[0]
    assert sorted(begun) == ["a", "b"]
    gate.set()
    assert [one.result(60) for one in (*under_way, *in_line)] == list("abcd")
    assert begin("e").result(60) == "e"
