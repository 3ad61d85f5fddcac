from serving.core.cache import ExpiringCache, least_recently_used


def test_one_with_users_is_never_chosen():
    assert least_recently_used({"a": 1.0, "b": 2.0}, {"a": 1}) == "b"
    assert least_recently_used({"a": 1.0}, {"a": 1}) is None
    assert least_recently_used({}, {}) is None


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
