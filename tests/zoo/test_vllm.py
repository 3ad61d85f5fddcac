"""What vLLM takes of an adapter: all of it, or the tensor that it refuses, leaves out or cannot place."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file, save_file

from zoo.bases import known_base
from zoo.hub_access import cache_of
from zoo.vllm import check_for_vllm, vllm_module

WIDTHS = {
    "llava-med-v1.5": (4096, 4096, 1024, 14336),
    "huatuo-vision-7b": (3584, 3584, 512, 18944),
    "huatuo-vision-7b-qwen2.5vl": (3584, 3584, 512, 18944),
    "qwen3-vl-4b": (2560, 4096, 1024, 9728),
    "medgemma-4b": (2560, 2048, 1024, 10240),
}
"""Numbers of a token: hidden, all queries, all keys, in the middle."""
FIRST = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"


def layers(name: str) -> dict[str, tuple[int, int]]:
    """Numbers in and out of a layer's seven."""
    hidden, queries, keys, middle = WIDTHS[name]
    return {
        "self_attn.q_proj": (hidden, queries),
        "self_attn.k_proj": (hidden, keys),
        "self_attn.v_proj": (hidden, keys),
        "self_attn.o_proj": (queries, hidden),
        "mlp.gate_proj": (hidden, middle),
        "mlp.up_proj": (hidden, middle),
        "mlp.down_proj": (middle, hidden),
    }


def adapter(
    folder: Path,
    name: str,
    *,
    rank: int = 4,
    begins: str = "base_model.model.model.language_model.layers.0.",
    **config: Any,
) -> Path:
    """One layer's adapter of a base's true shape."""
    weights = {}
    for layer, (inside, out) in layers(name).items():
        weights[f"{begins}{layer}.lora_A.weight"] = np.ones((rank, inside), np.float16)
        weights[f"{begins}{layer}.lora_B.weight"] = np.ones((out, rank), np.float16)
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "adapter_model.safetensors")
    said = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(said | config))
    return folder


def change(folder: Path, alter: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(alter(load_file(path)), path)


def faults(folder: Path, name: str) -> list[tuple[str, str]]:
    return [(fault.what, fault.value) for fault in check_for_vllm(folder, known_base(name)).faults]


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize(
    "begins",
    ["base_model.model.model.language_model.layers.0.", "base_model.model.language_model.model.layers.0."],
)
def test_every_layer_of_every_base_is_placed_under_new_names_and_old(
    name: str, begins: str, tmp_path: Path
) -> None:
    found = check_for_vllm(adapter(tmp_path, name, begins=begins), known_base(name))
    assert (found.faults, found.unknown) == ((), "")
    assert found.told == (
        "7 layers: --enable-lora --max-lora-rank 8 --lora-modules NAME=FOLDER; "
        "vLLM does not look which base it has"
    )


@pytest.mark.parametrize(("rank", "room"), [(1, 1), (8, 8), (9, 16), (24, 32), (200, 256)])
def test_the_smallest_rank_that_vllm_has_room_for_is_named(rank: int, room: int, tmp_path: Path) -> None:
    found = check_for_vllm(adapter(tmp_path, "qwen3-vl-4b", rank=rank), known_base("qwen3-vl-4b"))
    assert f"--max-lora-rank {room} " in found.told


@pytest.mark.parametrize(
    ("kind", "name", "module"),
    [
        ("llava", "model.language_model.layers.3.mlp.up_proj", "language_model.model.layers.3.mlp.up_proj"),
        ("llava", "model.layers.3.mlp.up_proj", "model.layers.3.mlp.up_proj"),
        ("qwen2_5_vl", "model.layers.3.mlp.up_proj", "language_model.model.layers.3.mlp.up_proj"),
        ("qwen2_5_vl", "model.visual.blocks.0.attn.qkv", "visual.blocks.0.attn.qkv"),
        ("qwen3_vl", "lm_head", "language_model.lm_head"),
        ("gemma3", "model.vision_tower.encoder.x", "vision_tower.encoder.x"),
    ],
)
def test_a_name_leads_to_the_module_that_vllm_would_take_it_to(kind: str, name: str, module: str) -> None:
    assert vllm_module(f"base_model.model.{name}.lora_B.weight", kind) == module
    assert vllm_module(f"base_model.model.{name}.lora_B.default.weight", kind) is None


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tensors: {key.replace(old, new): one for key, one in tensors.items()}


LOST, REFUSED = "vLLM leaves a tensor out, without a word", "vLLM refuses the adapter for a name"
PLACES = [
    (renamed(".lora_A.", ".lora_A.default."), REFUSED, " and 6 more"),
    (renamed("q_proj.lora_A.weight", "q_proj.lora_magnitude_vector"), REFUSED, "lora_magnitude_vector"),
    (renamed("layers.0.", "layers.36."), LOST, "language_model.model.layers.36."),
    (renamed("model.model.language_model.layers", "model.layers"), LOST, ", as layers.0."),
    (renamed("language_model.layers.0.self_attn", "visual.blocks.0.attn"), LOST, "as visual.blocks.0.attn"),
    (renamed("layers.0.mlp.gate_proj", "embed_tokens"), LOST, "as language_model.model.embed_tokens"),
]


@pytest.mark.parametrize(("alter", "what", "value"), PLACES)
def test_what_vllm_would_not_place_is_told(
    alter: Callable[[dict[str, Any]], dict[str, Any]], what: str, value: str, tmp_path: Path
) -> None:
    change(adapter(tmp_path, "qwen3-vl-4b"), alter)
    found = dict(faults(tmp_path, "qwen3-vl-4b"))
    assert value in found[what]


def test_half_a_pair_is_told(tmp_path: Path) -> None:
    change(adapter(tmp_path, "qwen3-vl-4b"), lambda found: {k: v for k, v in found.items() if k != FIRST})
    assert faults(tmp_path, "qwen3-vl-4b") == [("vLLM needs both halves", FIRST.replace("_A.", "_B."))]


@pytest.mark.parametrize("shape", [(4, 2559), (3, 2560), (2560,)])
def test_another_shape_is_told(shape: tuple[int, ...], tmp_path: Path) -> None:
    change(adapter(tmp_path, "qwen3-vl-4b"), lambda found: found | {FIRST: np.ones(shape, np.float16)})
    ((what, value),) = faults(tmp_path, "qwen3-vl-4b")
    assert what == "vLLM cannot put a tensor into its module"
    assert value.startswith(f"{FIRST} is F16 {shape}, of (")


def test_an_adapter_of_another_base_does_not_fit(tmp_path: Path) -> None:
    ((what, value),) = faults(adapter(tmp_path, "huatuo-vision-7b"), "llava-med-v1.5")
    assert (what, value.endswith(" and 13 more")) == ("vLLM cannot put a tensor into its module", True)


@pytest.mark.parametrize(
    ("config", "value"),
    [
        ({"use_dora": True}, "use_dora is set"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is set"),
        ({"lora_bias": True}, "lora_bias is set"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa', which changes the base"),
        ({"target_parameters": ["x"]}, "target_parameters is set"),
        ({"r": 0}, "r is 0"),
        ({"r": [4]}, "r is [4]"),
        ({"rank_pattern": [4]}, "rank_pattern is [4]"),
        ({"rank_pattern": {"q_proj": "4"}}, "rank_pattern is {'q_proj': '4'}"),
    ],
)
def test_what_vllm_does_not_apply_of_the_configuration_is_told(
    config: dict[str, Any], value: str, tmp_path: Path
) -> None:
    found = faults(adapter(tmp_path, "qwen3-vl-4b", **config), "qwen3-vl-4b")
    assert ("vLLM does not apply what adapter_config.json says", value) in found


def test_a_beginning_that_leaves_the_base_alone_is_taken(tmp_path: Path) -> None:
    folder = adapter(tmp_path, "qwen3-vl-4b", init_lora_weights="gaussian", use_rslora=True)
    assert faults(folder, "qwen3-vl-4b") == []


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_a_number_that_is_not_finite_is_told_in_every_precision(dtype: str, tmp_path: Path) -> None:
    folder = adapter(tmp_path, "qwen3-vl-4b")
    path = folder / "adapter_model.safetensors"
    header, content = {}, b""
    for name, one in load_file(path).items():
        wide = one.astype(np.float32)
        if name == FIRST:
            wide[1, 7] = np.inf
        upper = (wide.view(np.uint32) >> 16).astype(np.uint16)
        raw = {"F32": wide, "F16": wide.astype(np.float16), "BF16": upper}[dtype]
        place = [len(content), len(content) + raw.nbytes]
        header[name] = {"dtype": dtype, "shape": one.shape, "data_offsets": place}
        content += raw.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    assert faults(folder, "qwen3-vl-4b") == [("a number that is not finite", FIRST)]


def test_a_rank_beyond_all_is_told(tmp_path: Path) -> None:
    ((what, value),) = faults(adapter(tmp_path, "medgemma-4b", rank=600), "medgemma-4b")
    assert (what, value) == ("vLLM takes no such rank", "600, at most 512")


def test_a_base_in_a_folder_is_what_its_own_file_says(tmp_path: Path) -> None:
    place = tmp_path / "base"
    place.mkdir()
    config = dict(known_base("qwen3-vl-4b").config)
    config["text_config"] = config["text_config"] | {"hidden_size": 64}
    (place / "config.json").write_text(json.dumps(config))
    base = replace(known_base("qwen3-vl-4b"), folder=place)
    ((fault),) = check_for_vllm(adapter(tmp_path / "adapter", "qwen3-vl-4b"), base).faults
    assert fault.value.startswith(f"{FIRST.replace('self_attn.q', 'mlp.down')}"[:40])


def test_a_base_that_was_fetched_is_what_the_file_of_its_commit_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    base = replace(known_base("qwen3-vl-4b"), revision="d" * 40)
    own = adapter(tmp_path / "adapter", "qwen3-vl-4b")
    assert check_for_vllm(own, base).faults == ()
    place = cache_of("http://127.0.0.1:9") / "models--Qwen--Qwen3-VL-4B-Instruct" / "snapshots" / ("d" * 40)
    place.mkdir(parents=True)
    text = dict(base.config["text_config"]) | {"hidden_size": 64}
    (place / "config.json").write_text(json.dumps(dict(base.config) | {"text_config": text}))
    ((fault),) = check_for_vllm(own, base).faults
    assert fault.what == "vLLM cannot put a tensor into its module"


def test_what_cannot_be_looked_at_is_unknown(tmp_path: Path) -> None:
    base = replace(known_base("llava-med++"), family="llava", config={})
    assert check_for_vllm(adapter(tmp_path, "llava-med-v1.5"), base).unknown == (
        "how llava-med++ is built is not declared here"
    )
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    known = known_base("llava-med-v1.5")
    assert check_for_vllm(tmp_path, known).unknown == "adapter_model.safetensors cannot be read"
    (tmp_path / "adapter_config.json").unlink()
    assert check_for_vllm(tmp_path, known).unknown == "adapter_config.json cannot be read"


def test_vllms_own_code_takes_names_to_the_same_modules() -> None:
    utils = pytest.importorskip("vllm.lora.utils", reason="vLLM is not installed")
    llava = pytest.importorskip("vllm.model_executor.models.llava").LlavaForConditionalGeneration
    mapper = llava.hf_to_vllm_mapper.get_rename_mapper()
    for inner in ("model.language_model.layers.3.mlp.up_proj", "language_model.model.layers.3.mlp.up_proj"):
        name = f"base_model.model.{inner}.lora_A.weight"
        assert utils.parse_fine_tuned_lora_name(name, mapper) == (vllm_module(name, "llava"), True)
