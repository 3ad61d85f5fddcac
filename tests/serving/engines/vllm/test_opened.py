"""From settings to an engine on a vLLM."""

import threading

import pytest

from serving.core.registry import Registry
from serving.core.watch import Watch
from serving.metrics import Metrics
from serving.opening import open_engine
from serving.settings import read_settings
from zoo.bases import get_base
from zoo.errors import EngineFailed


def opened(url, say, **flags):
    settings = read_settings(engine="vllm", engine_url=url, dtype="float32", **flags)
    registry = Registry(slots=settings.slots)
    return open_engine(get_base("phantom"), settings, registry, metrics=Metrics(), watch=Watch(), say=say)


def test_what_is_set_reaches_the_engine_and_its_vllm(rig, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    engine = opened(f"{rig.fake.url}/v1/", rig.log.append, engine_folder=shared, slots=2)
    try:
        adapters = [rig.adapter("sft", seed=1), rig.adapter("dpo", seed=2)]
        assert rig.ask(engine, None, *adapters) == ["the base", "sft 1", "dpo 2"]
        assert all(one["lora_path"].startswith(str(shared)) for one in rig.fake.loads)
    finally:
        engine.close()
    assert list(shared.iterdir()) == []
    pinned = get_base("phantom").pinned
    assert rig.log == [f"asking vLLM at {rig.fake.url} for the base {pinned} in float32"]


def test_no_vllm_there_ends_the_opening_with_what_to_look_at_and_leaves_no_thread(rig):
    rig.fake.end()
    before = set(threading.enumerate())
    with pytest.raises(EngineFailed, match="vLLM does not answer as it should: ConnectError") as error:
        opened(rig.fake.url, rig.log.append)
    assert "medzoo vllm-args" in error.value.hint
    assert set(threading.enumerate()) <= before
