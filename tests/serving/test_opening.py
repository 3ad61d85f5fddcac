import sys
import threading
from types import SimpleNamespace

import pytest

from serving.opening import open_service
from serving.settings import read_settings
from zoo.errors import DeadlinePassed, HubUnreachable, NotFinite, UnknownName
from zoo.hub import RepoRef


@pytest.fixture
def open_with(rig, monkeypatch):
    """Call it with a model's `load` for a service that is opened on a fake Hub and that model."""

    def opened(load, **flags):
        model = type("Model", (type(rig.model),), {"load": load} if load else {})
        banked = SimpleNamespace(load_banked=lambda base, **options: made.update(options) or model())
        monkeypatch.setitem(sys.modules, "serving.engines.banked", banked)
        monkeypatch.setattr("serving.opening.ZooHub", lambda endpoint, **limits: rig.hub)
        flags = {"adapters": ("local/mdpo",), "timeout_s": 0.05} | flags
        return open_service(read_settings(**flags), say=said.append)

    made, said = {}, []
    opened.model, opened.said = made, said
    return opened


def test_an_adapter_that_loads_too_slowly_ends_the_opening_with_what_to_set(open_with):
    before = set(threading.enumerate())
    with pytest.raises(DeadlinePassed, match=r"mdpo was not loaded within 0\.05 s") as error:
        open_with(lambda *_: threading.Event().wait(0.5))
    assert error.value.hint == "give it longer in MEDZOO_TIMEOUT_S"
    assert set(threading.enumerate()) <= before


def test_an_opening_that_breaks_in_an_unforeseen_way_leaves_no_engine_running(open_with, monkeypatch):
    before = set(threading.enumerate())
    monkeypatch.setattr("serving.opening.Service.prepare", lambda *_, **__: {}["no disk left"])
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


def test_a_hub_without_an_adapter_for_this_base_is_told(open_with, monkeypatch):
    monkeypatch.setattr("zoo.catalog.adapters", lambda **_: [])
    service = open_with(None, adapters=(), hub="http://127.0.0.1:9")
    service.close()
    assert service.aliases == ()
    base = service.base.pinned
    assert open_with.said[0] == (f"http://127.0.0.1:9 has no adapter for {base}, so the base serves alone")


def test_a_listed_adapter_that_cannot_be_served_is_left_out_and_a_named_one_ends_the_opening(
    open_with, rig, monkeypatch
):
    def load(model, slot, folder, manifest, content):
        if manifest.variant.name == "mdpo":
            raise NotFinite("mdpo: a NaN")
        type(rig.model).load(model, slot, folder, manifest, content)

    found = [("mdpo", RepoRef("local/mdpo")), ("sft", RepoRef("local/sft"))]
    monkeypatch.setattr("serving.opening.list_adapters", lambda *_: found)
    service = open_with(load, adapters=(), timeout_s=20)
    service.close()
    assert service.aliases == ("sft",)
    assert open_with.said[1:] == [
        "left out local/mdpo@main: mdpo: a NaN",
        f"loaded sft: local/sft@{'0' * 40}",
    ]
    for named in ({"adapters": ("local/sft", "local/mdpo")}, {"adapters": (), "pin": ("mdpo",)}):
        with pytest.raises(NotFinite, match="a NaN"):
            open_with(load, timeout_s=20, **named)


def test_what_is_pinned_is_loaded_first_and_what_is_set_reaches_the_model(open_with):
    adapters = ("local/sft", "local/text_hallu", "local/mdpo")
    service = open_with(
        None, adapters=adapters, timeout_s=20, slots=2, pin=("mdpo",), load_in_8bit=True, dtype="bfloat16"
    )
    try:
        assert open_with.said[1:] == [
            f"loaded mdpo: local/mdpo@{'2' * 40}",
            f"loaded sft: local/sft@{'0' * 40}",
        ]
        assert service.max_adapters == 3
    finally:
        service.close()
    assert open_with.model == {
        "device": "auto",
        "dtype": "bfloat16",
        "quantize": "8bit",
        "compiled": False,
        "slots": 2,
        "max_rank": 64,
        "max_rows": 16,
    }


def test_a_pin_that_nothing_bears_is_told_before_anything_is_loaded(open_with):
    with pytest.raises(UnknownName, match="no adapter to pin is named 'mdop'") as error:
        open_with(None, pin=("mdop",))
    assert error.value.hint == "did you mean 'mdpo'?"
    assert open_with.model == {}
