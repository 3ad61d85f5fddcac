from dataclasses import dataclass

from serving.core.fairness import MOST_IDLE, FairQueue
from serving.core.requests import AdapterId


@dataclass(frozen=True, eq=False)
class Job:
    name: str
    client: str
    adapters: tuple[AdapterId, ...]
    rows: int = 1


def job(name: str, client: str = "c", adapters: str = "a", rows: int = 1) -> Job:
    return Job(name, client, tuple(AdapterId(one, "1", "d") for one in adapters), rows)


def order(queue: FairQueue[Job]) -> str:
    return " ".join(one.name for one in queue.order())


def serve(queue: FairQueue[Job], count: int) -> str:
    """Serve the first, `count` times."""
    served = []
    for _ in range(count):
        first = queue.order()[0]
        queue.serve(first)
        served.append(first.name)
    return " ".join(served)


def queue_of(*jobs: Job) -> FairQueue[Job]:
    queue = FairQueue[Job]()
    for one in jobs:
        queue.add(one)
    return queue


def test_alone_it_is_first_come_first_served():
    assert order(queue_of(job("1"), job("2"), job("3"))) == "1 2 3"


def test_a_client_with_a_hundred_waiting_does_not_hold_up_anothers_first_one():
    queue = queue_of(*(job(f"x{n}", "x") for n in range(100)))
    assert serve(queue, 10) == " ".join(f"x{n}" for n in range(10))
    queue.add(job("y0", "y"))
    queue.add(job("y1", "y"))
    assert order(queue).split()[:5] == ["y0", "x10", "y1", "x11", "x12"]


def test_clients_get_the_same_number_of_answers_not_of_comparisons():
    queue = queue_of(
        *(job(f"x{n}", "x", "abcd", rows=4) for n in range(9)), *(job(f"y{n}", "y") for n in range(9))
    )
    assert order(queue).split()[:10] == ["x0", "y0", "y1", "y2", "y3", "x1", "y4", "y5", "y6", "y7"]


def test_a_client_that_comes_back_is_not_paid_for_its_absence():
    queue = queue_of(*(job(f"x{n}", "x") for n in range(20)), job("y0", "y"))
    assert serve(queue, 12) == "x0 y0 " + " ".join(f"x{n}" for n in range(1, 11))
    for n in range(1, 5):
        queue.add(job(f"y{n}", "y"))
    assert order(queue).split()[:6] == ["y1", "x11", "y2", "x12", "y3", "x13"]


def test_going_away_between_two_turns_gains_a_client_nothing():
    queue = queue_of(*(job(f"x{n}", "x") for n in range(5)), job("y0", "y", "abcd", rows=4))
    assert serve(queue, 2) == "x0 y0"
    queue.add(job("y1", "y"))
    assert order(queue) == "x1 x2 x3 x4 y1"


def test_a_clients_adapters_take_turns():
    queue = queue_of(*(job(f"a{n}") for n in range(4)), job("b0", adapters="b"), job("b1", adapters="b"))
    assert order(queue) == "a0 b0 a1 b1 a2 a3"
    assert serve(queue, 2) == "a0 b0"
    queue.add(job("c0", adapters="c"))
    assert order(queue) == "c0 a1 b1 a2 a3"


def test_one_that_goes_away_leaves_the_others_in_their_order():
    jobs = [job("1"), job("2", "other"), job("3")]
    queue = queue_of(*jobs)
    queue.remove(jobs[0])
    assert order(queue) == "2 3"
    queue.remove(jobs[1])
    queue.remove(jobs[2])
    assert order(queue) == ""
    assert list(queue) == []


def test_one_taken_out_of_turn_has_had_its_turn():
    jobs = [job("x0", "x"), job("x1", "x"), job("y0", "y"), job("y1", "y")]
    queue = queue_of(*jobs)
    queue.serve(jobs[1])
    assert order(queue) == "y0 x0 y1"


def test_clients_that_have_gone_are_forgotten():
    queue = queue_of(job("x", "x", rows=10**6))
    for n in range(2 * MOST_IDLE):
        queue.add(job("y", f"client {n}"))
        serve(queue, 1)
    assert len(queue._clients._tags) < MOST_IDLE + 5
