import time
import weakref

from serving.core.keeping import Keeping


class Thing:
    """Of which a weak reference can be had."""


def test_what_is_over_time_is_let_go_though_nobody_asks_any_more():
    now = [0.0]
    keeping = Keeping(max_bytes=10, ttl_s=0.2, clock=lambda: now[0])
    thing = Thing()
    seen = weakref.ref(thing)
    keeping.put("a", thing, size=4)
    assert keeping.get("a") is thing
    del thing
    now[0] = 0.3
    ends = time.monotonic() + 60
    while seen() is not None:
        assert time.monotonic() < ends, "it is kept"
        time.sleep(0.01)
    later = Thing()
    keeping.put("b", later, size=4)
    gone = weakref.ref(later)
    del later
    keeping.clear()
    assert (gone(), keeping.get("b")) == (None, None)
