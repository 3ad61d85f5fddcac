import re
import threading

import pytest

from serving.core.origin import NOBODY, Origin, arriving, bound, on_behalf, origin

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("traceparent", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-02", False),
        (f"cc-{TRACE}-{PARENT}-01-what-will-be", True),
    ],
)
def test_a_request_continues_its_callers_trace(traceparent, sampled):
    mine = arriving(traceparent=traceparent)
    assert (mine.trace, mine.parent, mine.sampled) == (TRACE, PARENT, sampled)
    assert re.fullmatch("[0-9a-f]{16}", mine.span)
    assert mine.span != PARENT


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'Jane Doe'.ljust(32)}-{PARENT}-01",
    ],
)
def test_a_header_that_w3c_would_not_read_begins_a_trace(traceparent):
    one, other = arriving(traceparent=traceparent), arriving(traceparent=traceparent)
    assert (one.parent, one.sampled) == ("", True)
    assert len({one.trace, other.trace, TRACE}) == 3
    assert re.fullmatch("[0-9a-f]{32}", one.trace)


def test_a_call_in_another_thread_is_made_on_behalf_of_the_request_that_asked_for_it():
    mine, seen = arriving(request="a"), []
    with on_behalf(mine):
        call = bound(lambda: seen.append(origin()))
    threads = [threading.Thread(target=one) for one in (call, lambda: seen.append(origin()))]
    for thread in threads:
        thread.start()
        thread.join()
    assert seen == [mine, NOBODY]
    assert origin() == NOBODY


def test_what_is_done_for_several_names_each_once():
    several = [
        Origin(request="a", trace=TRACE, span=PARENT),
        Origin(request="b"),
        NOBODY,
        Origin(request="a"),
    ]
    with on_behalf(*several):
        assert origin() == Origin(request="a b")
