from collections import Counter

from serving.cluster.homes import SPARE, ranked

NAMES = [f"replica{number}" for number in range(6)]
IDLE = dict.fromkeys(NAMES, 0)
KEYS = [f"{number:064x}" for number in range(200)]


def test_an_idle_cluster_sends_an_adapter_to_the_same_home_each_time():
    homes = [ranked([key], IDLE)[0] for key in KEYS]
    assert homes == [ranked([key], dict(reversed(IDLE.items())))[0] for key in KEYS]
    counts = Counter(homes)
    assert set(counts) == set(NAMES)
    assert max(counts.values()) < 3 * min(counts.values())


def test_an_adapter_has_two_homes_and_the_idler_one_is_first():
    for key in KEYS:
        first, second = ranked([key], IDLE)[:2]
        assert ranked([key], {**IDLE, first: 1})[:2] == [second, first]


def test_a_replica_that_goes_moves_only_what_was_at_home_there():
    gone, left = NAMES[0], dict.fromkeys(NAMES[1:], 0)
    for key in KEYS:
        before = [name for name in ranked([key], IDLE)[:2] if name != gone]
        assert set(before) <= set(ranked([key], left)[:2])


def test_a_home_that_has_far_too_much_to_do_is_passed_over():
    first, second = ranked(KEYS[:1], IDLE)[:2]
    full = SPARE + 1
    assert ranked(KEYS[:1], {**IDLE, first: full, second: full})[0] not in (first, second)
    assert ranked(KEYS[:1], {**IDLE, first: SPARE, second: SPARE})[0] in (first, second)


def test_a_comparison_goes_where_most_of_its_adapters_are_at_home():
    for key in KEYS[:20]:
        here = ranked([key], IDLE)[0]
        others = [other for other in KEYS if here in ranked([other], IDLE)[:2]][:3]
        assert ranked(others, IDLE)[0] == here or all(
            ranked(others, IDLE)[0] in ranked([other], IDLE)[:2] for other in others
        )


def test_every_replica_is_named_once_so_that_the_next_can_be_tried():
    assert sorted(ranked(KEYS[:3], IDLE)) == NAMES
    assert ranked([], {}) == []
    assert sorted(ranked([], IDLE)) == NAMES
