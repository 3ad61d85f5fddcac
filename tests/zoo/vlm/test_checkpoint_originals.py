"""Checkpoints in the layout of their authors are checked as they are, in small and at their true size."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from tests._originals import original_config, tiny_base, write_original
from tests.zoo.vlm._checked import faults, rewrite
from zoo.bases import Base, known_base
from zoo.vlm.checkpoint import check_checkpoint

Shapes = dict[str, tuple[int, ...]]


@pytest.fixture(params=["llava-med-v1.5", "huatuo-vision-7b"])
def original(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Base, Path]:
    """A tiny base whose declaration is its size, and a checkpoint of it in its authors' layout."""
    base = tiny_base(request.param)
    return base, write_original(base, tmp_path / "original")


def test_the_layout_of_the_authors_passes_and_says_how_to_convert_it(original: tuple[Base, Path]) -> None:
    base, folder = original
    checks = {one.name: one for one in check_checkpoint(base, folder)}
    assert faults(checks) == []
    assert f"medzoo convert {folder} --base {base.name} --out FOLDER" in checks["config"].told


def test_the_layout_of_the_authors_is_held_to_its_own_names(original: tuple[Base, Path]) -> None:
    base, folder = original
    projector = "model.mm_projector.0.weight"
    rewrite(folder, lambda tensors: {key: one for key, one in tensors.items() if key != projector})
    checks = {one.name: one for one in check_checkpoint(base, folder)}
    assert faults(checks) == [("tensors", "1 tensor missing", projector)]


def test_a_tower_that_is_not_in_the_files_is_the_one_of_its_own_repo(original: tuple[Base, Path]) -> None:
    base, folder = original
    rewrite(folder, lambda tensors: {key: one for key, one in tensors.items() if "vision_tower" not in key})
    checks = {one.name: one for one in check_checkpoint(base, folder)}
    assert faults(checks) == []
    assert checks["tensors"].told.endswith(f"; the tower is {base.tower}")


def _linear(name: str, rows: int, columns: int) -> Shapes:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _tower() -> Shapes:
    start = "model.vision_tower.vision_tower.vision_model."
    found: Shapes = {
        f"{start}embeddings.class_embedding": (1024,),
        f"{start}embeddings.patch_embedding.weight": (1024, 3, 14, 14),
        f"{start}embeddings.position_embedding.weight": (577, 1024),
    }
    norms = ["pre_layrnorm", "post_layernorm"]
    for n in range(24):
        layer = f"encoder.layers.{n}."
        norms += [f"{layer}layer_norm1", f"{layer}layer_norm2"]
        for one in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= _linear(f"{start}{layer}self_attn.{one}", 1024, 1024)
        found |= _linear(f"{start}{layer}mlp.fc1", 4096, 1024) | _linear(f"{start}{layer}mlp.fc2", 1024, 4096)
    return found | {f"{start}{one}.{kind}": (1024,) for one in norms for kind in ("weight", "bias")}


def _published(text: dict[str, Any], *, rows: int, biases: bool) -> Shapes:
    """Every tensor of the published files, by hand."""
    wide, middle = text["hidden_size"], text["intermediate_size"]
    narrow = wide // text["num_attention_heads"] * text["num_key_value_heads"]
    found: Shapes = {"model.embed_tokens.weight": (rows, wide), "lm_head.weight": (rows, wide)}
    found |= {"model.norm.weight": (wide,)} | _tower()
    found |= _linear("model.mm_projector.0", wide, 1024) | _linear("model.mm_projector.2", wide, wide)
    for n in range(text["num_hidden_layers"]):
        layer = f"model.layers.{n}."
        found |= {f"{layer}{one}_layernorm.weight": (wide,) for one in ("input", "post_attention")}
        for one, count in (("q", wide), ("k", narrow), ("v", narrow)):
            of = _linear(f"{layer}self_attn.{one}_proj", count, wide)
            found |= of if biases else {name: shape for name, shape in of.items() if "bias" not in name}
        found |= {f"{layer}mlp.{one}_proj.weight": (middle, wide) for one in ("gate", "up")}
        found |= {
            f"{layer}mlp.down_proj.weight": (wide, middle),
            f"{layer}self_attn.o_proj.weight": (wide, wide),
        }
    return found


@pytest.mark.parametrize(
    ("name", "rows", "biases", "told"),
    [
        ("llava-med-v1.5", 32000, False, "686 tensors in 1 file, 15.13 GB"),
        ("huatuo-vision-7b", 152064, True, "734 tensors in 1 file, 15.87 GB"),
    ],
)
def test_the_published_sizes_pass_without_a_byte_of_weights(
    tmp_path: Path, name: str, rows: int, biases: bool, told: str
) -> None:
    base = known_base(name)
    text = dict(base.config["text_config"])
    header, end = {}, 0
    for one, shape in _published(text, rows=rows, biases=biases).items():
        start, end = end, end + 2 * math.prod(shape)
        header[one] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    content = json.dumps(header).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:  # all else in it is a hole
        file.write(struct.pack("<Q", len(content)) + content)
        file.truncate(8 + len(content) + end)
    rope = text.pop("rope_parameters")["rope_theta"]
    whole = {**original_config(base), **text, "vocab_size": rows, "rope_theta": rope, "mm_hidden_size": 1024}
    (tmp_path / "config.json").write_text(json.dumps({**whole, "model_type": base.original}))
    checks = {one.name: one for one in check_checkpoint(base, tmp_path)}
    assert faults(checks) == []
    assert checks["files"].told == told
    assert checks["tensors"].told.startswith(f"{told.split()[0]} as they should be, in BF16")
