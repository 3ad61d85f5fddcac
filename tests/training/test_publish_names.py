"""Names of bases with what file names rarely hold: in tags, collections, lists and manifests of a Hub."""

import pytest
from huggingface_hub import HfApi

from tests.conftest import MakeAdapter
from training.publish import publish
from zoo.bases import known_base
from zoo.catalog import look_up
from zoo.hub import list_adapters
from zoo.hub_collections import membership
from zoo.licences import narrowest


@pytest.mark.parametrize("name", ["llava-med++", "llava-med-v1.5", "huatuo-vision-7b-qwen2.5vl"])
def test_an_adapter_is_found_by_the_name_of_its_base(make_adapter: MakeAdapter, hub: str, name: str) -> None:
    base = known_base(name)
    named = {"name": name, "repo": base.repo, "revision": base.revision or "f" * 40}
    folder = make_adapter(base=named, license=narrowest(base.license, "apache-2.0"), evaluation=[])
    done = publish(folder, "zoo/x", endpoint=hub, private=True, allow_unevaluated=True)
    assert done.collection == f"MedVLM Zoo: {name}"
    assert membership(name, "zoo/x", endpoint=hub).holds
    assert [one.repo for one in list_adapters(base=name, endpoint=hub)] == ["zoo/x"]
    assert list_adapters(base="phantom", endpoint=hub) == []
    assert name in (HfApi(endpoint=hub, token="local").model_info("zoo/x").tags or [])
    assert look_up("zoo/x", "main", endpoint=hub).manifest.base.name == name
