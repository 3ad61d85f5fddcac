"""What `adapter_config.json` may say of an adapter that is served: plain LoRA, and what its manifest says.

PEFT gives an adapter to the layers that this file names, the bank to those that the manifest names; only
where both mean the same layers is what is served what was trained. Knows no tensors.
"""

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from zoo.errors import BadAdapter, NotPlainLora
from zoo.manifest import CONFIG_NAME, AdapterManifest

LIMIT = 2**20
"""Most bytes of a configuration; PEFT's own have one or two thousand."""
_MAY_BE_SET = frozenset({
    "auto_mapping", "base_model_name_or_path", "bias", "inference_mode", "init_lora_weights", "lora_alpha",
    "lora_dropout", "megatron_core", "peft_type", "peft_version", "r", "revision", "target_modules",
    "task_type", "use_rslora", "qalora_group_size",
})  # fmt: skip
"""Keys that may hold a value; any other one changes what the weights mean."""
_DRAWS_A_ALONE = (None, "gaussian", "orthogonal")
"""Beside true and false: ways to begin a LoRA that leave the base as it is. Others may not."""
_MOST_ALPHA = 10**6
_PATTERN_CHARS, _PATTERN_PARTS, _PATTERN_BARS = 500, 5, 16
"""Bounds of a pattern, within which no layer's name takes long: what is tried can multiply with each group,
each repeat and each `|`, and knows no bound where a group that is repeated holds a repeat."""


def read_config(folder: Path) -> bytes:
    """The bytes of `adapter_config.json`.

    Raises:
        BadAdapter: it is not there, or larger than any.
    """
    path = folder / CONFIG_NAME
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise BadAdapter(f"{path}: cannot be read ({error})") from error
    if len(content) > LIMIT:
        raise BadAdapter(f"{path}: more than {LIMIT} bytes")
    return content


def check_config(content: bytes, layers: Iterable[str], folder: Path, manifest: AdapterManifest) -> None:
    """Raise unless it says what the manifest says, of the same ones among `layers`, and no more.

    Raises:
        NotPlainLora: it says what plain LoRA lacks.
        BadAdapter: it cannot be understood, is not what the manifest says, or its scale is out of all bounds.
    """
    path = folder / CONFIG_NAME
    try:
        config: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadAdapter(f"{path}: cannot be read ({str(error)[:200]})") from error
    if not isinstance(config, dict):
        raise BadAdapter(f"{path}: not a JSON object")
    for key, value in config.items():
        if key not in _MAY_BE_SET and not _is_unset(value):
            raise NotPlainLora(f"{path}: {key[:80]} is set, which the adapter bank cannot represent")
    begun = config.get("init_lora_weights")
    if not isinstance(begun, bool) and begun not in _DRAWS_A_ALONE:
        raise NotPlainLora(
            f"{path}: init_lora_weights is {str(begun)[:80]!r}, which may change the base's own weights; "
            "true, false, 'gaussian' and 'orthogonal' do not"
        )
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none":
        raise NotPlainLora(f"{path}: only plain LoRA without bias can be served")
    lora = manifest.lora
    said = (config.get("r"), config.get("lora_alpha"), config.get("use_rslora") or False)
    if said != (lora.r, lora.alpha, lora.use_rslora):
        raise BadAdapter(
            f"{path}: r, lora_alpha, use_rslora are {str(said)[:80]}, and zoo.json says "
            f"{str((lora.r, lora.alpha, lora.use_rslora))[:80]}"
        )
    if abs(lora.alpha) > _MOST_ALPHA:
        raise BadAdapter(f"{path}: lora_alpha is beyond {_MOST_ALPHA}")
    _check_targets(config.get("target_modules"), layers, path, manifest.lora.targets)


def _is_unset(value: object) -> bool:
    """True for what stands for nothing. 0 is a value, such as the first layer of `layers_to_transform`."""
    return value is None or value is False or value in ({}, [], "")


def _check_targets(said: Any, layers: Iterable[str], path: Path, targets: Collection[str]) -> None:
    if isinstance(said, list) and all(isinstance(one, str) for one in said):
        wanted = set(said)

        def applies(layer: str) -> bool:  # as `peft.tuners.tuners_utils.check_target_module_exists` does
            return layer in wanted or any(layer.endswith(f".{one}") for one in wanted)
    elif isinstance(said, str):
        pattern = _pattern(said, path)

        def applies(layer: str) -> bool:
            return pattern.fullmatch(layer) is not None
    else:
        raise BadAdapter(f"{path}: target_modules is neither a list of names nor a pattern")
    for layer in layers:
        named = layer.rpartition(".")[2] in targets
        if applies(layer) != named:
            does, says = ("does not take", "takes") if named else ("takes", "does not take")
            raise BadAdapter(f"{path}: target_modules {does} in {layer}, and zoo.json {says} it in")


def _pattern(text: str, path: Path) -> re.Pattern[str]:
    bare = re.sub(r"\\.", "", text, flags=re.DOTALL)
    parts = len(re.findall(r"[*+?{(]", re.sub(r"\(\?[:=!]|[*+?]\?", "(", bare)))
    if (
        len(text) > _PATTERN_CHARS
        or parts > _PATTERN_PARTS
        or bare.count("|") > _PATTERN_BARS
        or re.search(r"\)[*+?{]|\(\?[^:=!]", bare)
    ):
        raise BadAdapter(
            f"{path}: target_modules is a pattern that may take long; it has at most {_PATTERN_CHARS} "
            f"characters, {_PATTERN_PARTS} groups and repeats, {_PATTERN_BARS} bars, no flags, no "
            "group that is repeated",
            hint="list the names of the layers instead",
        )
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadAdapter(f"{path}: target_modules is no pattern ({error})") from error
