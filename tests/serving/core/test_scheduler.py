from dataclasses import dataclass

import pytest

from serving.core.requests import AdapterId
from serving.core.scheduler import check_room, next_batch
from zoo.errors import Busy


@dataclass(frozen=True)
class Job:
    name: str
    adapters: tuple[AdapterId | None, ...]


def job(name: str, adapters: str) -> Job:
    """A job with one row for each letter; `-` is the base."""
    return Job(name, tuple(None if one == "-" else AdapterId(one, "1", "d") for one in adapters))


def names(batch: list[Job]) -> str:
    return "".join(one.name for one in batch)


def test_a_comparison_is_kept_whole():
    waiting = [job("1", "abc"), job("2", "abc"), job("3", "a")]
    assert names(next_batch(waiting, max_rows=5, max_adapters=8)) == "13"


def test_the_oldest_always_runs_next():
    waiting = [job("1", "abcd"), job("2", "a"), job("3", "b")]
    assert names(next_batch(waiting, max_rows=4, max_adapters=8)) == "1"
    assert names(next_batch(waiting[1:], max_rows=4, max_adapters=8)) == "23"


def test_no_batch_needs_more_adapters_than_there_are_slots():
    waiting = [job("1", "ab"), job("2", "cd"), job("3", "ba"), job("4", "-")]
    assert names(next_batch(waiting, max_rows=16, max_adapters=3)) == "134"


def test_the_base_takes_a_row_and_no_slot():
    assert names(next_batch([job("1", "--a"), job("2", "-")], max_rows=4, max_adapters=1)) == "12"


def test_nothing_waiting_gives_an_empty_batch():
    assert next_batch([], max_rows=4, max_adapters=1) == []


def test_a_full_queue_takes_nothing_on():
    check_room(waiting_rows=60, rows=4, max_waiting_rows=64)
    with pytest.raises(Busy, match="61 answers wait, the limit is 64"):
        check_room(waiting_rows=61, rows=4, max_waiting_rows=64)
