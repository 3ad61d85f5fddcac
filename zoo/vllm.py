"""Whether vLLM would load an adapter and apply all of it. Needs neither vLLM nor torch.

vLLM takes the names in the weights file for the truth and looks at their last part alone: a tensor that
belongs to no module of the model is left out without a word, and the base answers in the adapter's place. So
every name is followed here to the module that it would reach. As of vLLM 0.32: `lora/utils.py`,
`lora/lora_model.py`, `lora/peft_helper.py`, `config/lora.py` and the `hf_to_vllm_mapper` of each model.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import try_to_load_from_cache

from zoo.bases import Base
from zoo.checks import Check, Fault
from zoo.errors import ZooError
from zoo.hub_access import cache_of, hub_address
from zoo.manifest import CONFIG_NAME, WEIGHTS_NAME
from zoo.model_files import FolderFiles
from zoo.tensor_files import TensorPlace, file_tensors
from zoo.tensor_header import BadHeader

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` may be."""
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Of the language model, which alone an adapter may change."""
_PREFIX = "base_model.model."
_TOWERS = (
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)
_TEXT = ("model.language_model.", "language_model.model.")
_HEAD = ("lm_head.", "language_model.lm_head.")
_MAPS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "llava": (_TEXT, *_TOWERS, _HEAD),
    "gemma3": (_TEXT, *_TOWERS, _HEAD),
    "qwen2_5_vl": (
        _TEXT,
        ("model.visual.", "visual."),
        _HEAD,
        ("model.", "language_model.model."),
    ),
    "qwen3_vl": (("model.visual.", "visual."), _HEAD, _TEXT),
}
"""By `model_type`, how names begin in files and in vLLM's model; each rule is tried once, in this order."""
_LAYER = re.compile(
    r"language_model\.model\.layers\.(\d+)\.(?:self_attn\.([qkvo]_proj)|mlp\.((?:gate|up|down)_proj))"
)
_REFUSED = ("modules_to_save", "use_dora", "lora_bias", "alora_invocation_tokens", "layer_replication",
            "use_bdlora", "use_qalora")  # fmt: skip
_LEFT_OUT = ("target_parameters", "trainable_token_indices", "fan_in_fan_out")
"""Keys that vLLM does not read, though they change what the weights mean."""
_PLAIN_BEGINNINGS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # the upper half of an F32, which numpy knows no name for
}
_PAIR = 2
_TAKE = "train it again with LoRA on the language model's linear layers alone"


def check_for_vllm(folder: Path, base: Base) -> Check:
    """What vLLM would do with the adapter in `folder` on the base, as its files here or its declaration
    describe it."""
    name = "vllm"
    model = _json(_config_of(base)) or base.config
    said = _json(folder / CONFIG_NAME)
    if not said:
        return Check(name=name, unknown=f"{CONFIG_NAME} cannot be read")
    if not model or model.get("model_type") not in _MAPS:
        return Check(name=name, unknown=f"how {base.name} is built is not declared here")
    if base.scales > 1:
        return Check(
            name=name, unknown=f"vLLM has no tower that sees at {base.scales} scales, as {base.name}'s"
        )
    try:
        tensors = file_tensors(FolderFiles(folder), WEIGHTS_NAME)
    except (KeyError, BadHeader, ZooError):
        return Check(name=name, unknown=f"{WEIGHTS_NAME} cannot be read")
    faults = [*_of_config(said), *_of_names(tensors, model, said)]
    if not faults:
        faults = _of_numbers(folder, tensors)
    needed = max([said.get("r", 0), *(said.get("rank_pattern") or {}).values()]) if not faults else 0
    rank = next((one for one in RANKS if one >= needed), None)
    if rank is None:
        faults = [Fault(what="vLLM takes no such rank", value=f"{needed}, at most {RANKS[-1]}", next=_TAKE)]
    flags = f"--enable-lora --max-lora-rank {rank} --lora-modules NAME=FOLDER"
    return Check(
        name=name,
        faults=tuple(faults),
        told=f"{len(tensors) // _PAIR} layers: {flags}; vLLM does not look which base it has",
    )


def vllm_module(name: str, model_type: str) -> str | None:
    """The module of vLLM's model that an adapter's tensor of this name is for; None if vLLM refuses it."""
    inner = name.replace(_PREFIX, "") if name.startswith(_PREFIX) else name
    for begins, becomes in _MAPS[model_type]:
        if inner.startswith(begins):
            inner = becomes + inner.removeprefix(begins)
    found = re.fullmatch(r"(.+)\.lora_[AB]\.weight", inner)
    return found[1] if found else None


def _of_config(said: Mapping[str, Any]) -> list[Fault]:
    start = said.get("init_lora_weights", True)
    wrong = [f"{key} is set" for key in (*_REFUSED, *_LEFT_OUT) if said.get(key)]
    if said.get("bias", "none") != "none":
        wrong.append(f"bias is {said['bias']!r}")
    if isinstance(start, str) and start.lower() not in _PLAIN_BEGINNINGS:
        wrong.append(f"init_lora_weights is {start!r}, which changes the base")
    if not isinstance(said.get("r"), int) or said["r"] < 1:
        wrong.append(f"r is {said.get('r')!r}")
    ranks = said.get("rank_pattern") or {}
    if not isinstance(ranks, dict) or not all(type(one) is int and one > 0 for one in ranks.values()):
        wrong.append(f"rank_pattern is {ranks!r}")
    return [_fault(f"vLLM does not apply what {CONFIG_NAME} says", one) for one in wrong]


def _of_names(
    tensors: Mapping[str, TensorPlace], model: Mapping[str, Any], said: Mapping[str, Any]
) -> list[Fault]:
    """Tensors that vLLM refuses, leaves out, or cannot put into their module."""
    shapes = _shapes(model.get("text_config") or {})
    layers = (model.get("text_config") or {}).get("num_hidden_layers", 0)
    patterns = said.get("rank_pattern")
    ranks = [said.get("r"), *(patterns.values() if isinstance(patterns, dict) else ())]
    refused, lost, alone, odd = [], [], [], []
    for name, place in tensors.items():
        module = vllm_module(name, str(model["model_type"]))
        if module is None:
            refused.append(name)
            continue
        found = _LAYER.fullmatch(module)
        if found is None or int(found[1]) >= layers:
            lost.append(f"{name}, as {module}")
            continue
        half, other = ("lora_A", "lora_B") if ".lora_A." in name else ("lora_B", "lora_A")
        if name.replace(half, other) not in tensors:
            alone.append(name)
        wide, out = shapes[found[2] or found[3]]
        rank = place.shape[0 if half == "lora_A" else -1] if place.shape else None
        wanted = (rank, wide) if half == "lora_A" else (out, rank)
        if place.shape != wanted or rank not in ranks or place.dtype not in _DTYPES:
            odd.append(f"{name} is {place.dtype} {place.shape}, of {wanted} and the rank {said.get('r')}")
    told = (
        ("vLLM refuses the adapter for a name", refused),
        ("vLLM leaves a tensor out, without a word", lost),
        ("vLLM needs both halves", alone),
        ("vLLM cannot put a tensor into its module", odd),
    )
    if not tensors:
        return [_fault("vLLM finds no tensor", WEIGHTS_NAME)]
    return [
        _fault(what, some[0] + (f" and {len(some) - 1} more" if len(some) > 1 else ""))
        for what, some in told
        if some
    ]


def _shapes(text: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Numbers in and out of each linear layer, from a language model's configuration."""
    hidden, middle, heads = (text[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads"))
    head = text.get("head_dim") or hidden // heads
    groups = (text.get("num_key_value_heads") or heads) * head
    return {
        "q_proj": (hidden, heads * head),
        "k_proj": (hidden, groups),
        "v_proj": (hidden, groups),
        "o_proj": (heads * head, hidden),
        "gate_proj": (hidden, middle),
        "up_proj": (hidden, middle),
        "down_proj": (middle, hidden),
    }


def _of_numbers(folder: Path, tensors: Mapping[str, TensorPlace]) -> list[Fault]:
    """A number that is none makes every answer nonsense, and vLLM does not look."""
    files = FolderFiles(folder)
    for name, place in tensors.items():
        numbers = np.frombuffer(
            files.read(WEIGHTS_NAME, place.start, place.end - place.start), _DTYPES[place.dtype]
        )
        if place.dtype == "BF16":
            numbers = (numbers.astype("<u4") << 16).view("<f4")
        if not np.isfinite(numbers).all():
            return [_fault("a number that is not finite", name)]
    return []


def _config_of(base: Base) -> Path | None:
    """The file in the base's folder, or what was fetched of its commit; it may be pinned to another size."""
    if base.folder:
        return base.folder / "config.json"
    if base.original or not base.revision:
        return None
    fetched = try_to_load_from_cache(
        base.repo, "config.json", revision=base.revision, cache_dir=cache_of(hub_address(None))
    )
    return Path(fetched) if isinstance(fetched, str) else None


def _json(path: Path | None) -> dict[str, Any]:
    """A JSON object; empty if there is none."""
    try:
        found = json.loads(path.read_bytes()) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _fault(what: str, value: str) -> Fault:
    return Fault(what=what, value=value, next=_TAKE)
