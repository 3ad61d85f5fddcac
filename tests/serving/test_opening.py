import sys
import threading
from types import SimpleNamespace

import pytest

from serving.opening import open_service
from serving.settings import read_settings
from zoo.errors import DeadlinePassed, HubUnreachable


@pytest.fixture
def open_with(rig, monkeypatch):
    """Call it with a model's `load` for a service that is opened on a fake Hub and that model."""

    def opened(load):
        model = type("Model", (type(rig.model),), {"load": load})
        banked = SimpleNamespace(BankedModel=lambda base, **options: model())
        monkeypatch.setitem(sys.modules, "serving.engines.banked", banked)
        monkeypatch.setattr("serving.opening.ZooHub", lambda endpoint: rig.hub)
        return open_service(read_settings(adapters=("local/mdpo",), timeout_s=0.05), say=lambda text: None)

    return opened


def test_an_adapter_that_loads_too_slowly_ends_the_opening_with_what_to_set(open_with):
    before = set(threading.enumerate())
    with pytest.raises(DeadlinePassed, match=r"mdpo was not loaded within 0\.05 s") as error:
        open_with(lambda *_: threading.Event().wait(0.5))
    assert error.value.hint == "give it longer in MEDZOO_TIMEOUT_S"
    assert set(threading.enumerate()) <= before


def test_an_opening_that_breaks_in_an_unforeseen_way_leaves_no_engine_running(open_with, monkeypatch):
    before = set(threading.enumerate())
    monkeypatch.setattr("serving.opening.Service.prepare", lambda *_: {}["no disk left"])
    with pytest.raises(KeyError):
        open_with(lambda *_: None)
    assert set(threading.enumerate()) <= before


def test_with_the_hub_out_of_reach_it_opens_on_the_commits_last_known(open_with, rig):
    rig.hub.down = HubUnreachable("the Hub does not answer")
    service = open_with(lambda *_: None)
    try:
        assert service.aliases == ("mdpo",)
        assert set(rig.hub.fetched) == {f"local/mdpo@{rig.hub.heads['local/mdpo']}"}
    finally:
        service.close()
