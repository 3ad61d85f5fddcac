"""The arithmetic, against values that are worked out by hand."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from serving.capacity.model import forecast, least_replicas
from serving.capacity.popularity import characteristic_time, first_named, hits, homes, named, zipf
from tests.serving.capacity._worlds import place, times, traffic
from zoo.errors import BadInput


def test_popularity_falls_with_the_rank() -> None:
    """1, 1/2 and 1/3 make 11/6."""
    assert zipf(3, 1.0) == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    assert zipf(4, 0.0) == pytest.approx([0.25] * 4)


def test_of_two_alike_one_place_holds_the_right_one_half_of_the_time() -> None:
    """2 (1 - exp(-T)) = 1, so T = ln 2 and a hit has the probability 1/2, which is LRU's own."""
    rates = np.array([1.0, 1.0])
    assert characteristic_time(rates, 1) == pytest.approx(log(2))
    assert hits(rates, 1) == pytest.approx([0.5, 0.5])


def test_where_all_fit_all_hit_and_what_nobody_asks_takes_no_place() -> None:
    assert hits(np.array([3.0, 1.0, 0.0]), 2) == pytest.approx([1.0, 1.0, 0.0])
    assert hits(np.array([3.0, 1.0]), 0) == pytest.approx([0.0, 0.0])


def test_a_comparison_names_each_of_several_in_proportion_but_never_twice() -> None:
    assert named(np.array([1 / 3] * 3), 2) == pytest.approx([2 / 3] * 3)
    assert named(np.array([0.9, 0.1]), 2) == pytest.approx([1.0, 1.0])


def test_the_longest_of_two_answers_is_longer() -> None:
    """Tokens end with probability 1/2: the sum over n of 1 - (1 - 2^-n)^2 = 2 * 2 - 4/3."""
    geometric = traffic(tokens=2.0, most_tokens=200)
    assert geometric.stops == pytest.approx(0.5)
    assert geometric.longest(1) == pytest.approx(2.0)
    assert geometric.longest(2) == pytest.approx(4 - 4 / 3)
    assert traffic(tokens=1.0).longest(7) == pytest.approx(1.0)


def test_an_answer_that_is_cut_has_the_mean_that_was_asked_for() -> None:
    assert traffic(tokens=100.0, most_tokens=128).longest(1) == pytest.approx(100.0)


def test_two_users_of_a_machine_that_serves_one_at_a_time() -> None:
    """The machine repairman: 0, 1 and 2 at the machine come as 1 : 2 : 2, so it works 4/5 of the time and
    ends 0.8 a second. Half of those who come find it idle and wait for their own second; half find one before
    them, who still takes an exponential second. 1 - exp(-x) / 2 = 0.95 gives x = ln 10."""
    found = forecast(times(), traffic(), place())
    assert found.utilisation == pytest.approx(0.8)
    assert found.questions_per_s == pytest.approx(0.8)
    assert found.first_token_mean_s == pytest.approx(1.5)
    assert found.first_token_p50_s == pytest.approx(1.0, abs=1e-6)
    assert found.first_token_p95_s == pytest.approx(1 + log(10))
    assert found.hit_rate == 1
    assert found.busy_share == 0


def test_who_finds_the_queue_full_is_turned_away() -> None:
    """Nobody may wait: 1 : 2, and 1 of the 2 + 2 that come in 3 states' time finds a place."""
    found = forecast(times(), traffic(), place(max_waiting_rows=0))
    assert found.utilisation == pytest.approx(2 / 3)
    assert found.busy_share == pytest.approx(0.5)


def test_a_second_replica_is_enough_for_two_users() -> None:
    assert least_replicas(times(), traffic(), place(), target_s=1.5) == 2
    assert least_replicas(times(), traffic(), place(), target_s=4.0) == 1


def test_no_number_of_replicas_answers_before_a_prompt_has_run() -> None:
    with pytest.raises(BadInput, match=r"gives 95 of 100 first tokens within 0\.5 s"):
        least_replicas(times(), traffic(), place(), target_s=0.5)


def test_a_load_stands_before_the_first_token_as_often_as_an_adapter_is_not_there() -> None:
    """One user, two adapters alike, one slot: every other question waits 2 s for a load, which the loader,
    asked so seldom, has no line for but its own: a half of X * load of M/D/1."""
    alone = traffic(users=1, adapters=2, zipf=0.0, think_s=1e6)
    found = forecast(times(load_disk_s=2.0), alone, place())
    assert found.hit_rate == pytest.approx(0.5)
    misses = 1 - np.exp(-0.5)  # at least one, of 0.5 in the mean
    assert found.first_token_mean_s == pytest.approx(1 + misses * 2 * 0.5 / misses, rel=1e-4)


def test_files_that_are_kept_in_memory_load_in_the_time_that_takes() -> None:
    both = place(host_bytes=2)
    loads = times(load_disk_s=2.0, load_host_s=1.0)
    alone = traffic(users=1, adapters=2, zipf=0.0, think_s=1e6)
    disk, host = (forecast(loads, alone, one).first_token_mean_s for one in (place(), both))
    assert (disk - 1) / (host - 1) == pytest.approx(2.0, rel=1e-4)


def test_slots_that_are_held_bound_what_runs_at_once() -> None:
    """Sixteen rows, but four slots, and every question names two of very many."""
    many = traffic(users=100, adapters=1000, zipf=0.0, rows=2)
    found = forecast(times(), many, place(slots=4, max_rows=16))
    assert found.at_once == 2
    assert forecast(times(), many, place(slots=64, max_rows=16)).at_once == 8


def test_a_cold_replica_fetches_what_is_asked_in_an_hour() -> None:
    busy = traffic(users=50, adapters=7)
    assert forecast(times(), busy, place(max_rows=8)).cold_fetches == pytest.approx(7, abs=0.01)


@pytest.mark.parametrize("routing", ["random", "affinity", "spread"])
def test_every_question_goes_to_one_replica(routing: str) -> None:
    shares = zipf(50, 1.0)
    found = first_named(shares, 6, routing)
    copies = 6 if routing == "random" else 1
    assert copies * found.sum() == pytest.approx(1.0)
    assert copies * found.sum(axis=0) == pytest.approx(shares)


def test_an_adapters_home_stays_when_another_replica_comes() -> None:
    shares = zipf(200, 1.0)
    before, after = homes(shares, 9, "affinity"), homes(shares, 10, "affinity")
    moved = sum(one != other for one, other in zip(before, after, strict=True))
    assert {tuple(one) for one, other in zip(after, before, strict=True) if one != other} == {(9,)}
    assert 5 <= moved <= 40  # a tenth of them, and no other


def test_the_most_popular_have_more_homes_and_all_replicas_as_much_to_do() -> None:
    shares = zipf(100, 1.0)
    counts = [len(one) for one in homes(shares, 20, "spread")]
    assert counts[0] == 1 + np.ceil(2 * 20 * shares[0]) == 9
    assert counts[-1] == 2
    loads = {routing: first_named(shares, 20, routing).sum(axis=1) * 20 for routing in ("affinity", "spread")}
    assert loads["spread"].max() < 1.25
    assert loads["affinity"].max() > 2


def test_the_lesser_of_two_replicas_waits_less_than_any() -> None:
    crowd = traffic(users=40, think_s=8.0)
    any_one = forecast(times(), crowd, place(replicas=10))
    lesser = forecast(times(), crowd, replace(place(replicas=10, routing="spread")))
    assert lesser.utilisation == pytest.approx(any_one.utilisation, rel=0.15)
    assert lesser.first_token_p95_s < 0.8 * any_one.first_token_p95_s


def test_people_who_ask_at_once_wait_longer() -> None:
    """Of two at two replicas, half a one more begins with each on either: 1.5 rows of a second each."""
    rows = times(prompt_s=0.0, prompt_row_s=1.0)
    idle = traffic(think_s=1e6)
    one, two = (
        forecast(rows, replace(idle, burst=burst), place(replicas=2, slots=2, max_rows=2)) for burst in (1, 2)
    )
    assert one.first_token_mean_s == pytest.approx(1.0, rel=1e-4)
    assert two.first_token_mean_s == pytest.approx(1.5, rel=1e-4)
