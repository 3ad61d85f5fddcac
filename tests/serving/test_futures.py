"""Futures of threads, waited for from an event loop."""

import asyncio
from concurrent.futures import Future

import pytest

from serving.futures import arrived


@pytest.mark.parametrize("within_s", [-1.0, 0.0, 1e-9])
def test_what_is_there_already_is_given_whatever_the_time(within_s):
    future = Future()
    future.set_result("in time")
    assert asyncio.run(arrived(future, within_s=within_s)) == "in time"


def test_what_does_not_come_in_time_is_not_cancelled():
    future = Future()
    with pytest.raises(TimeoutError):
        asyncio.run(arrived(future, within_s=0.01))
    assert not future.done()
