import pytest

from serving.defence.tries import BY_ADDRESS, BY_NAME, BY_PAIR, MOST, REST_S, Tries


@pytest.fixture
def tries():
    return Tries()


def guess(tries, name, address, *, now, seconds):
    """Try as often as is let in for so many seconds, looking every tenth of one; how many came through."""
    return sum(tries.begin(name, address, now=now + step / 10) == 0 for step in range(int(seconds * 10)))


def test_after_a_few_tries_each_next_one_waits_twice_as_long():
    tries, now, waits = Tries(), 0.0, []
    for _ in range(14):
        if wait_s := tries.begin("ana", "10.0.0.1", now=now):
            now += wait_s
            assert tries.begin("ana", "10.0.0.1", now=now) == 0
        waits.append(wait_s)
    assert waits == [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_try_that_came_too_soon_makes_no_wait_longer(tries):
    for _ in range(4):
        tries.begin("ana", "10.0.0.1", now=0)
    assert [tries.begin("ana", "10.0.0.1", now=second) for second in range(6)] == [5, 4, 3, 2, 1, 0]


def test_thousands_of_tries_come_to_a_few_an_hour(tries):
    assert guess(tries, "ana", "10.0.0.1", now=0, seconds=3600) == 14
    spread = sum(guess(tries, "ana", f"10.0.0.{one}", now=4000, seconds=10) for one in range(100))
    assert spread <= BY_NAME.free + 4
    names = sum(tries.begin(f"name{one}", "10.0.1.1", now=8000) == 0 for one in range(5000))
    assert names == BY_ADDRESS.free


def test_all_addresses_of_an_ipv6_network_are_one(tries):
    names = sum(tries.begin(f"name{one}", f"2001:db8:1:2::{one:x}", now=0) == 0 for one in range(1000))
    assert names == BY_ADDRESS.free
    assert tries.begin("name", "2001:db8:1:3::1", now=0) == 0
    tries.won("name", "2001:db8:1:3::1")
    assert guess(tries, "name", "10.0.0.1", now=1, seconds=5) == 4
    assert tries.begin("name", "2001:db8:1:3::2", now=6) == 0


def test_nobody_is_kept_out_for_long_by_another_s_tries_and_not_at_all_where_they_signed_in_before(tries):
    assert tries.begin("ana", "10.0.0.9", now=0) == 0
    tries.won("ana", "10.0.0.9")
    for second in range(1800):
        for one in range(5):
            tries.begin("ana", f"10.6.6.{one}", now=float(second))
    assert tries.begin("ana", "10.0.0.9", now=1800) == 0
    assert 0 < tries.begin("ana", "10.0.0.8", now=1800) <= BY_NAME.most_s
    assert tries.begin("ben", "10.0.0.8", now=1800) == 0


def test_a_right_password_ends_the_waits_of_its_pair_and_is_not_counted_against_a_ward(tries):
    for _ in range(3):
        tries.begin("ana", "10.0.0.1", now=0)
    assert tries.begin("ana", "10.0.0.1", now=0) == 0
    tries.won("ana", "10.0.0.1")
    assert [tries.begin("ana", "10.0.0.1", now=0) for _ in range(5)] == [0, 0, 0, 0, BY_PAIR.first_s]
    for one in range(500):
        assert tries.begin(f"rater{one}", "10.0.0.2", now=1) == 0
        tries.won(f"rater{one}", "10.0.0.2")


def test_own_signing_in_gives_no_free_guesses_of_others(tries):
    let_in = 0
    for one in range(500):
        if tries.begin("eve", "10.6.6.6", now=0) == 0:
            tries.won("eve", "10.6.6.6")
        let_in += tries.begin(f"victim{one}", "10.6.6.6", now=0) == 0
    assert let_in == BY_ADDRESS.free


def test_after_a_rest_what_was_before_is_forgotten_and_memory_is_bounded(tries):
    for _ in range(4):
        tries.begin("ana", "10.0.0.1", now=0)
    assert tries.begin("ana", "10.0.0.1", now=REST_S + 1) == 0
    assert tries.begin("ana", "10.0.0.1", now=REST_S + 1) == 0
    for one in range(MOST + 50):
        tries.begin(f"n{one}", f"a{one}", now=REST_S + 2)
        tries.won(f"n{one}", f"a{one}")
        tries.begin(f"n{one}", f"a{one}", now=REST_S + 2)
    assert {len(kept._tries) for kept in (tries._pairs, tries._names, tries._addresses)} == {MOST}
    assert len(tries._known) == MOST
