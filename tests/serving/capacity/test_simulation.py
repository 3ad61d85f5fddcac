"""The simulation: it is the real scheduler's, nothing is lost in it, and the model agrees with it."""

from dataclasses import replace
from typing import Any

import pytest

from serving.capacity.given import Place, Traffic
from serving.capacity.model import forecast
from serving.capacity.simulation import Simulated, simulate
from serving.core.cache import ExpiringCache
from serving.core.fairness import FairQueue
from serving.core.registry import Registry
from serving.core.scheduler import Scheduler
from tests.serving.capacity._worlds import place, times, traffic

TIMES = times(
    image_s=0.05,
    prompt_s=0.02,
    prompt_row_s=0.01,
    step_s=0.01,
    step_row_s=0.001,
    load_disk_s=0.08,
    load_host_s=0.06,
    fetch_s=3.0,
)
CROWD = Traffic(users=60, think_s=30.0, adapters=60, rows=2, tokens=16.0)
PLACE = Place(replicas=4, routing="random", adapter_bytes=1 << 20, host_bytes=16 << 20)


def simulated(crowd: Traffic = CROWD, there: Place = PLACE, **given: Any) -> Simulated:
    return simulate(TIMES, crowd, there, **{"questions": 600, "warm_up": 200, **given})


def test_a_question_alone_takes_its_load_the_wait_for_company_and_its_prompt() -> None:
    """Two of them: the first loads two adapters, which the second finds. Two rows fill the one server, which
    waits for nobody; the other has room for a third."""
    alone = traffic(users=1, adapters=2, rows=2)
    found = simulate(TIMES, alone, place(slots=2, max_rows=2, window_s=0.5), questions=2, warm_up=0)
    prompt = 0.05 + 0.02 + 2 * 0.01
    assert found.first_token_mean_s == pytest.approx((2 * 0.08 + prompt + prompt) / 2)
    roomy = simulate(TIMES, alone, place(slots=2, max_rows=3, window_s=0.5), questions=2, warm_up=0)
    assert roomy.first_token_mean_s == pytest.approx(found.first_token_mean_s + 0.5)
    assert (found.answered, found.hit_rate) == (2, 0.5)


def test_each_question_is_told_so_that_a_long_simulation_shows_how_far_it_is() -> None:
    told: list[bool] = []
    simulated(questions=30, warm_up=20, asked=lambda: told.append(True))
    assert len(told) == 50


def test_a_cold_replica_fetches_first_and_once_for_all() -> None:
    alone = traffic(users=1, adapters=2, rows=2)
    warm = simulate(TIMES, alone, place(slots=2, max_rows=2), questions=2, warm_up=0)
    cold = simulate(TIMES, alone, place(slots=2, max_rows=2, cold=True), questions=2, warm_up=0)
    assert cold.first_token_mean_s == pytest.approx(warm.first_token_mean_s + 3.0 / 2)
    assert (warm.fetches, cold.fetches) == (0, 2)


def test_a_question_that_is_late_when_its_files_come_ends_before_those_that_were_asked_after_it() -> None:
    """Fetches take longer than anybody waits, and loads leave the engine nothing to do meanwhile."""
    slow = replace(TIMES, fetch_s=10.0, load_disk_s=2.0)
    there = replace(PLACE, replicas=1, cold=True, timeout_s=5.0)
    found = simulate(slow, CROWD, there, questions=300, warm_up=0)
    assert found.asked == 300 == found.answered + found.busy + found.late
    assert found.late >= found.fetches / CROWD.rows


def test_every_question_ends_once_answered_busy_or_late() -> None:
    crowded = replace(CROWD, think_s=2.0, tokens=64.0)
    found = simulated(crowded, replace(PLACE, replicas=1, timeout_s=8.0, max_waiting_rows=24))
    assert found.asked == 600 == found.answered + found.busy + found.late
    assert min(found.answered, found.busy, found.late) > 0
    assert found.utilisation == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("burst", [1, 7])
def test_the_same_seed_gives_the_same_and_another_another(burst: int) -> None:
    crowd = replace(CROWD, burst=burst)
    first, again, other = (simulated(crowd, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_people_who_ask_at_once_wait_longer() -> None:
    assert simulated(replace(CROWD, burst=20)).first_token_mean_s > 1.3 * simulated().first_token_mean_s


def test_the_model_says_how_often_an_adapter_is_in_its_slot() -> None:
    for crowd in (CROWD, replace(CROWD, rows=1, adapters=15, zipf=0.7)):
        seen = simulated(crowd, questions=2500)
        assert forecast(TIMES, crowd, PLACE).hit_rate == pytest.approx(seen.hit_rate, abs=0.03)


def test_the_model_says_how_long_a_first_token_takes_at_a_middling_load() -> None:
    crowd = replace(CROWD, users=300, rows=1, adapters=20)
    seen, said = simulated(crowd, questions=2500), forecast(TIMES, crowd, PLACE)
    assert 0.4 < seen.utilisation < 0.8
    assert said.utilisation == pytest.approx(seen.utilisation, abs=0.08)
    assert said.first_token_p50_s == pytest.approx(seen.first_token_p50_s, rel=0.3)
    assert said.first_token_mean_s == pytest.approx(seen.first_token_mean_s, rel=0.35)


def test_an_adapter_that_has_a_home_is_found_in_its_slot_more_often() -> None:
    random, affinity, spread = (
        simulated(replace(CROWD, rows=1), replace(PLACE, routing=routing))
        for routing in ("random", "affinity", "spread")
    )
    assert affinity.hit_rate > random.hit_rate + 0.1
    assert spread.hit_rate > random.hit_rate + 0.05
    assert affinity.highest_utilisation > spread.highest_utilisation


def test_what_decides_is_the_servers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is called in the class that the engine uses; a copy would not be."""
    called: set[str] = set()

    def watched(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            called.add(f"{owner.__name__}.{name}")
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    decided = {
        Scheduler: ("add", "place", "loaded", "start", "due", "remove"),
        Registry: ("acquire", "loaded", "holds", "release"),
        FairQueue: ("order", "serve"),
        ExpiringCache: ("get", "put"),
    }
    for owner, names in decided.items():
        for name in names:
            watched(owner, name)
    simulated(
        replace(CROWD, think_s=2.0), replace(PLACE, replicas=1, timeout_s=1.0), questions=300, warm_up=0
    )
    assert called == {f"{owner.__name__}.{name}" for owner, names in decided.items() for name in names}
