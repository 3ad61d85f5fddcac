from serving.core.cache import ExpiringCache, eviction_order


def test_one_with_users_is_never_let_go():
    assert eviction_order({"a": 1.0, "b": 2.0}, users={"a": 1}) == ["b"]
    assert eviction_order({"a": 1.0}, users={"a": 1}) == []
    assert eviction_order({}, users={}) == []


def test_the_one_unused_for_longest_goes_first_and_pinned_ones_last():
    last_used = {"a": 3.0, "b": 1.0, "c": 2.0, "d": 0.0}
    assert eviction_order(last_used, users={}, pinned={"d", "b"}) == ["c", "a", "d", "b"]


def test_a_value_is_gone_when_its_time_is_over_even_if_it_is_used():
    cache = ExpiringCache[str](max_bytes=10, ttl_s=60)
    cache.put("a", "x", size=1, now=0)
    assert cache.get("a", now=59.9) == "x"
    assert cache.get("a", now=60) is None
    assert (len(cache), cache.bytes) == (0, 0)


def test_the_one_used_longest_ago_makes_room():
    cache = ExpiringCache[str](max_bytes=10, ttl_s=60)
    cache.put("a", "x", size=4, now=0)
    cache.put("b", "y", size=4, now=1)
    cache.get("a", now=2)
    cache.put("c", "z", size=4, now=3)
    assert [cache.get(key, now=4) for key in "abc"] == ["x", None, "z"]
    assert cache.bytes == 8


def test_a_value_larger_than_the_cache_is_not_kept():
    cache = ExpiringCache[str](max_bytes=10, ttl_s=60)
    cache.put("a", "x", size=11, now=0)
    assert (len(cache), cache.bytes) == (0, 0)


def test_putting_again_counts_the_bytes_once():
    cache = ExpiringCache[str](max_bytes=10, ttl_s=60)
    cache.put("a", "x", size=4, now=0)
    cache.put("a", "y", size=6, now=0)
    assert (cache.get("a", now=1), cache.bytes) == ("y", 6)
