import time
import weakref

from serving.core.keeping import Keeping


class Thing:
    """Of which a weak reference can be had."""


def test_what_is_over_time_is_let_go_though_nobody_asks_any_more():
    keeping = Keeping(max_bytes=10, ttl_s=0.2)
    thing = Thing()
    seen = weakref.ref(thing)
    keeping.put("a", thing, size=4)
    assert keeping.get("a") is thing
    del thing
    for _ in range(100):
        if seen() is None:
            break
        time.sleep(0.05)
    assert seen() is None
    later = Thing()
    keeping.put("b", later, size=4)
    gone = weakref.ref(later)
    del later
    keeping.clear()
    assert (gone(), keeping.get("b")) == (None, None)
