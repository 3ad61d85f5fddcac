"""An adapter's weights from its folder, after every check that they are the right ones. Knows no slots."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from zoo.bases import Base
from zoo.errors import BadAdapter, DigestMismatch, NoEffect, WrongBase
from zoo.manifest import CONFIG_NAME, WEIGHTS_NAME, AdapterManifest
from zoo.vlm.model import VisionLanguageModel

PEFT_PREFIX = "base_model.model."
_PLAIN_LORA = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "inference_mode", "init_lora_weights",
    "lora_alpha", "lora_dropout", "megatron_core", "peft_type", "peft_version", "r", "revision",
    "target_modules", "task_type", "use_rslora", "rank_pattern", "qalora_group_size",
})  # fmt: skip
"""Keys of `adapter_config.json` that may hold a value; any other one changes what the weights mean."""


def checked_weights(
    base: Base, layers: Mapping[str, nn.Linear], folder: Path, manifest: AdapterManifest
) -> dict[str, torch.Tensor]:
    """The tensors of the adapter in `folder` by PEFT's names; `layers` are the base's `target_layers`.

    Raises:
        WrongBase: the adapter was made for another base or revision.
        DigestMismatch: the weights are not those that the manifest names.
        NoEffect: B is all zero, so the adapter changes nothing.
        BadAdapter: no safetensors file, a feature that plain LoRA lacks, missing or extra or misshapen
            tensors, a value that is not finite.
    """
    if (manifest.base.name, manifest.base.revision) != (base.name, base.revision):
        raise WrongBase(
            f"this adapter is for {manifest.base.name}@{manifest.base.revision}, "
            f"and the base here is {base.pinned}",
            hint=f"--base {manifest.base.name}",
        )
    _check_config(folder, manifest)
    weights = _read_weights(folder, manifest)
    _check_shapes(weights, _expected(base, layers, manifest))
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise BadAdapter(f"{folder.name}: {name} holds a value that is not finite")
    if not manifest.no_effect_expected and not any(
        bool(tensor.any()) for name, tensor in weights.items() if ".lora_B." in name
    ):
        raise NoEffect(f"{folder.name}: every lora_B is zero, so this adapter changes nothing")
    return weights


def target_layers(vlm: VisionLanguageModel) -> dict[str, nn.Linear]:
    """The language model's linear layers that an adapter may change, by their full name."""
    return {
        name: module
        for name, module in vlm.model.named_modules()
        if ".language_model." in f".{name}"
        and name.rpartition(".")[2] in vlm.base.lora_targets
        and isinstance(module, nn.Linear)
    }


def _expected(
    base: Base, layers: Mapping[str, nn.Linear], manifest: AdapterManifest
) -> dict[str, tuple[int, int]]:
    """Name and shape of every tensor that the adapter must have, and no other."""
    unknown = sorted(set(manifest.lora.targets) - set(base.lora_targets))
    if unknown:
        raise BadAdapter(f"{base.name} has no LoRA target {unknown[0]!r}")
    rank, expected = manifest.lora.r, {}
    for name, layer in layers.items():
        if name.rpartition(".")[2] in manifest.lora.targets:
            expected[f"{PEFT_PREFIX}{name}.lora_A.weight"] = (rank, layer.in_features)
            expected[f"{PEFT_PREFIX}{name}.lora_B.weight"] = (layer.out_features, rank)
    return expected


def _check_config(folder: Path, manifest: AdapterManifest) -> None:
    """`adapter_config.json` must say what the manifest says, and nothing that the bank cannot hold."""
    path = folder / CONFIG_NAME
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadAdapter(f"{path}: cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise BadAdapter(f"{path}: not a JSON object")
    for key, value in config.items():
        if value and (key not in _PLAIN_LORA or key.endswith("_pattern")):
            raise BadAdapter(f"{path}: {key} is set, which the adapter bank cannot represent")
    if config.get("init_lora_weights") not in (True, False, None):
        raise BadAdapter(
            f"{path}: init_lora_weights is {config['init_lora_weights']!r}, so the base was changed"
        )
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none":
        raise BadAdapter(f"{path}: only plain LoRA without bias can be served")
    lora = manifest.lora
    said = (config.get("r"), config.get("lora_alpha"), bool(config.get("use_rslora")))
    if said != (lora.r, lora.alpha, lora.use_rslora):
        raise BadAdapter(
            f"{path}: r, lora_alpha, use_rslora are {said}, and zoo.json says "
            f"{(lora.r, lora.alpha, lora.use_rslora)}"
        )


def _read_weights(folder: Path, manifest: AdapterManifest) -> dict[str, torch.Tensor]:
    path = folder / WEIGHTS_NAME
    if not path.is_file():
        raise BadAdapter(f"{path}: no such file; adapters are read from safetensors only")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != manifest.weights_sha256:
        raise DigestMismatch(f"{path}: sha256 is {digest}, and zoo.json says {manifest.weights_sha256}")
    try:
        return load_safetensors(content)
    except SafetensorError as error:
        raise BadAdapter(f"{path}: not a readable safetensors file ({error})") from error


def _check_shapes(weights: dict[str, torch.Tensor], expected: dict[str, tuple[int, int]]) -> None:
    missing = sorted(set(expected) - set(weights))
    extra = sorted(set(weights) - set(expected))
    if missing or extra:
        kind, names = ("lacks", missing) if missing else ("has the unknown tensor", extra)
        raise BadAdapter(f"the adapter {kind} {names[0]} ({len(missing)} missing, {len(extra)} extra)")
    for name, shape in expected.items():
        if tuple(weights[name].shape) != shape:
            raise BadAdapter(f"{name} has the shape {tuple(weights[name].shape)}, not {shape}")
