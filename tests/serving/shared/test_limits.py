"""Limits of requests and tries at passwords, counted over all servers."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from serving.defence.pace import Quota
from serving.defence.tries import Tries
from serving.shared import Shared
from serving.shared.limits import LIVES_S, SharedLimits
from serving.shared.tries_table import SharedTries
from tests.serving.shared._server import NEW, OLD, REF, Hub
from zoo.errors import DatabaseAway


def _limits(server, **quota):
    return SharedLimits(server.store, Quota(**{"per_minute": 60, "burst": 10, "at_once": 10} | quota))


def test_a_client_has_one_bucket_over_all_servers_however_they_ask_at_once(servers):
    many = [_limits(servers(), per_minute=1, at_once=1000) for _ in range(2)]
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda n: many[n % 2].enter("ana")[0], range(40)))
    assert sum(one.allowed for one in verdicts) == 10
    assert many[0].enter("ben")[0].allowed
    refused, _ = many[1].enter("ana")
    assert refused.remaining == 0
    assert 0 < refused.after_s <= 60


def test_what_is_under_way_at_all_servers_counts_until_it_is_left(servers):
    a, b = (_limits(servers(), at_once=2) for _ in range(2))
    (_, first), (second, _) = a.enter("ana"), b.enter("ana")
    assert second.allowed
    assert not a.enter("ana")[0].allowed
    a.leave(first)
    assert b.enter("ana")[0].allowed


def test_what_a_server_had_under_way_that_lives_no_more_does_not_count(servers, monkeypatch):
    dead, alive = servers(), servers()
    now = [1000.0]
    for one in (dead, alive):
        monkeypatch.setattr(one.store, "now", lambda connection: now[0])
    gone, limits = _limits(dead, at_once=1), _limits(alive, at_once=1)
    assert gone.enter("ana")[0].allowed
    now[0] += LIVES_S - 1
    limits.beat()
    assert not limits.enter("ana")[0].allowed
    now[0] += 2
    limits.beat()
    assert limits.enter("ana")[0].allowed


def test_a_bucket_that_fills_in_more_than_an_hour_is_not_full_after_one(servers, monkeypatch):
    server = servers()
    now = [1000.0]
    monkeypatch.setattr(server.store, "now", lambda connection: now[0])
    limits = _limits(server, per_minute=1, burst=200, at_once=1000)
    assert [limits.enter("ana")[0].allowed for _ in range(201)] == [True] * 200 + [False]
    now[0] += 2 * 3600
    limits.beat()
    assert limits.enter("ana")[0].remaining == 119


def test_a_clock_that_is_set_back_holds_nobody_up_and_keeps_no_dead_server_alive(servers, monkeypatch):
    hub = Hub()
    a, b = servers(hub), servers(hub)
    now = [1_000_000.0]
    for one in (a, b):
        monkeypatch.setattr(one.store, "now", lambda connection: now[0])
    dead, limits = _limits(a, at_once=1), _limits(b, burst=1)
    tries = SharedTries(b.store)
    assert dead.enter("ben")[0].allowed
    assert [limits.enter("ana")[0].allowed for _ in range(2)] == [True, False]
    for _ in range(5):
        tries.begin("ana", "10.0.0.1")
    assert 0 < tries.begin("ana", "10.0.0.1") <= 60
    assert a.hub.resolve(*vars(REF).values()) == OLD
    now[0] -= 86400.0
    hub.says = NEW
    assert b.hub.resolve(*vars(REF).values()) == NEW
    assert 0 < tries.begin("ana", "10.0.0.1") <= 60
    limits.beat()
    assert _limits(b, at_once=1).enter("ben")[0].allowed
    limits.enter("ana")  # by which it is known that the clock was set back
    now[0] += 2
    assert limits.enter("ana")[0].allowed


def test_a_server_that_was_given_other_limits_than_those_that_run_says_so(where):
    first, same, other = (
        Shared(where, scope="phantom", quota=Quota(per_minute=60, burst=burst, at_once=9))
        for burst in (10, 10, 20)
    )
    assert other.differences() == [
        "limits here are 60 a minute, 20 at a time, 9 under way, and 60 a minute, 10 at a time, 9 under way "
        "at a server that runs: set MEDZOO_REQUESTS_PER_MINUTE, MEDZOO_BURST and MEDZOO_MAX_CONCURRENT alike"
    ]
    other.close()
    assert same.differences() == []
    for one in (first, same):
        one.close()


def test_a_request_that_ended_while_the_database_was_away_is_taken_off_at_the_next_beat(servers, monkeypatch):
    server = servers()
    limits = _limits(server, at_once=1)
    _, request = limits.enter("ana")
    server.lose(monkeypatch)
    limits.leave(request)
    monkeypatch.undo()
    assert not limits.enter("ana")[0].allowed
    limits.beat()
    assert limits.enter("ana")[0].allowed


def test_a_server_without_its_database_has_no_word_of_the_others_and_does_not_wait_long(where, monkeypatch):
    shared = Shared(where, scope="phantom", quota=Quota(per_minute=60, burst=1, at_once=1))

    def away(*_):
        raise DatabaseAway("away")

    async def main():
        verdict, request = await shared.enter("ana")
        assert verdict.allowed
        shared.leave(request)
        monkeypatch.setattr(shared._store, "read", away)
        await shared.fresh()
        assert await shared.enter("ana") is None

    asyncio.run(main())
    monkeypatch.undo()
    shared.close()


def test_tries_at_a_password_are_counted_over_all_servers_and_wait_alike(servers, monkeypatch):
    now = [1000.0]
    stores = [servers().store for _ in range(2)]
    for store in stores:
        monkeypatch.setattr(store, "now", lambda connection: now[0])
    both, alone = [SharedTries(store) for store in stores], Tries()
    for number in range(12):
        one = both[number % 2]
        assert one.begin("ana", "10.0.0.1") == alone.begin("ana", "10.0.0.1", now=now[0])
        now[0] += 7
    assert both[0].begin("ana", "10.0.0.1") > 0
    assert both[1].begin("ben", "10.0.0.2") == 0
    now[0] += 1000
    assert both[0].begin("ana", "10.0.0.1") == 0
    both[0].won("ana", "10.0.0.1")
    for number in range(12):
        both[number % 2].begin("ana", f"10.0.1.{number}")
    assert both[0].begin("ana", "10.0.9.9") > 0  # somebody tries her name from elsewhere
    assert both[1].begin("ana", "10.0.0.1") == 0  # where she signed in before
    with stores[0].read() as connection:
        held = str(connection.exec_driver_sql("SELECT * FROM shared_tries").all())
    assert "ana" not in held
    assert "10.0" not in held
