"""Stand-ins: files as the Hub has them, the base's own token ids, the same weights for the same seed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file

from tests._stand_ins import REAL
from zoo.bases import known_base
from zoo.cli.stand_in import stand_in as verb
from zoo.errors import BadInput
from zoo.vlm.builders.stand_in import build_stand_in, small_config
from zoo.vlm.checkpoint import check_checkpoint

OF_A_LAYER = {
    "llava": "language_model.model.layers.3.self_attn.q_proj.weight",
    "gemma3": "language_model.model.layers.3.self_attn.q_norm.weight",
    "qwen2_5_vl": "model.layers.3.self_attn.q_proj.bias",
    "qwen3_vl": "model.language_model.layers.3.self_attn.q_norm.weight",
}
OF_THE_TOWER = {
    "llava": "vision_tower.vision_model.encoder.layers.3.self_attn.out_proj.weight",
    "gemma3": "vision_tower.vision_model.encoder.layers.3.self_attn.out_proj.weight",
    "qwen2_5_vl": "visual.blocks.3.attn.qkv.weight",
    "qwen3_vl": "model.visual.deepstack_merger_list.2.linear_fc2.weight",
}
HEADS = {"llava": "language_model.lm_head.weight", "qwen2_5_vl": "lm_head.weight"}
"""Of the types whose head is in the files; the others' is tied."""


def written(folder: Path) -> Mapping[str, Any]:
    """The index of the shards."""
    found: Mapping[str, Any] = json.loads((folder / "model.safetensors.index.json").read_text())
    return found


@pytest.mark.parametrize("name", REAL)
def test_a_stand_in_has_the_names_of_the_hub_and_passes_for_its_base_in_another_size(
    name: str, tmp_path: Path
) -> None:
    base = known_base(name)
    build_stand_in(base, tmp_path / "base")
    index = written(tmp_path / "base")
    kind = base.config["model_type"]
    assert {OF_A_LAYER[kind], OF_THE_TOWER[kind]} <= index["weight_map"].keys()
    assert [key for key in index["weight_map"] if "lm_head" in key] == [
        head for of, head in HEADS.items() if of == kind
    ]
    assert len(set(index["weight_map"].values())) >= 3
    checks = check_checkpoint(base, tmp_path / "base", any_size=True)
    assert [fault for one in checks for fault in one.faults] == []
    faults = [one for one in check_checkpoint(base, tmp_path / "base") if one.faults]
    assert {one.name for one in faults} >= {"config"}
    assert "random" in (tmp_path / "base" / "README.md").read_text()


def test_true_size_has_every_layer_in_shards_of_a_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = known_base("llava-med-v1.5")
    narrow = small_config(base)
    narrow["text_config"]["num_hidden_layers"] = 9
    monkeypatch.setattr("zoo.vlm.builders.stand_in.SHARD_BYTES", 2**20)
    build_stand_in(replace(base, config=narrow), tmp_path / "base", true_size=True)
    made = json.loads((tmp_path / "base" / "config.json").read_text())
    assert made["text_config"]["num_hidden_layers"] == 9
    sizes = [path.stat().st_size for path in (tmp_path / "base").glob("*.safetensors")]
    one_tensor = 2 * 32001 * narrow["text_config"]["hidden_size"]
    assert max(sizes) < one_tensor + 2**16
    assert sum(sizes) > written(tmp_path / "base")["metadata"]["total_size"] > 2 * one_tensor


def test_the_seed_decides_the_weights_and_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    base = known_base("llava-med-v1.5")
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        build_stand_in(base, tmp_path / folder, seed=seed)
    name = written(tmp_path / "a")["weight_map"]["multi_modal_projector.linear_1.weight"]
    a, b, c = (
        load_file(tmp_path / one / name)["multi_modal_projector.linear_1.weight"].float() for one in "abc"
    )
    assert (a == b).all()
    assert (a != c).float().mean() > 0.9
    with pytest.raises(BadInput, match="is not empty"):
        build_stand_in(base, tmp_path / "a")


def test_the_verb_says_that_the_weights_are_random_and_what_to_type_next(tmp_path: Path) -> None:
    out = tmp_path / "base"
    done = CliRunner().invoke(verb, ["llava-med-v1.5", "--out", str(out)], catch_exceptions=False)
    assert done.stdout.splitlines() == [
        f"{out}: RANDOM WEIGHTS in the architecture of llava-med-v1.5; what they say means nothing",
        f"  next: medzoo bases llava-med-v1.5 --at {out} --any-size",
    ]
    assert not (out / "LICENSE").exists()


def test_nothing_stands_in_for_a_base_whose_architecture_is_not_declared(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nothing can stand in for it"):
        build_stand_in(known_base("phantom"), tmp_path / "base")
    assert not (tmp_path / "base").exists()
