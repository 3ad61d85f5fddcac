"""The short form of the soak; `make soak` is the long one."""

import pytest

from tests.serving.soak.hub_faults import FAULTS
from tests.serving.soak.server import SWAPS
from tests.serving.soak.soak import REPOS, SLOTS, UNNAMED, soaking

VERSIONS = 4


@pytest.fixture(scope="module")
def soak(tmp_path_factory):
    """A server with 24 fingerprint adapters in 4 slots, whose batches raise now and then."""
    with soaking(tmp_path_factory.mktemp("soak"), versions=VERSIONS, raise_every=60) as found:
        yield found


def test_no_answer_of_hundreds_bears_another_adapters_signature_and_all_ends_by_name(soak):
    report = soak.run(requests=400, seconds=35, clients=8)
    print(report)
    assert report.wrong == [], report
    assert report.answers > 100
    assert report.broken_off > 0
    assert report.unreachable > 0
    assert len(report.actions) == 8
    assert report.commits > REPOS + UNNAMED
    assert report.loads > REPOS > SLOTS
    assert report.raised > 0
    assert all(report.hub[fault] for fault in FAULTS)


def test_two_rows_that_run_with_each_others_adapter_are_found(soak):
    soak.server.command("swap")
    report = soak.run(requests=120, seconds=12, clients=4, seed=1)
    print(report)
    assert soak.server.state()["swaps"] < SWAPS
    assert report.wrong
    known = ("can only say", "the base says", "tokens are stated")
    assert all(any(kind in one for kind in known) for one in report.wrong), report
