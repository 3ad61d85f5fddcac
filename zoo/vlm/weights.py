"""What an adapter for a base must be, and the checks that one is, made on every load. Knows no slots."""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from zoo.bases import Base, declared_bases, how_to_have
from zoo.errors import BadAdapter, DigestMismatch, NoEffect, NotFinite, WrongBase, WrongTensors
from zoo.manifest import WEIGHTS_NAME, AdapterManifest
from zoo.vlm.adapter_config import check_config, read_config
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.weights_file import HEADER_LIMIT, read_whole, tensors_in

_PEFT_PREFIX = "base_model.model."
_WIDEST = 4
"""Bytes of the widest number that a file may hold."""


@dataclass(frozen=True)
class AdapterFiles:
    """What an adapter's folder holds, read whole."""

    config: bytes = field(repr=False)
    weights: memoryview = field(repr=False)

    def __len__(self) -> int:
        """Bytes."""
        return len(self.config) + len(self.weights)


def checked_weights(
    base: Base, layers: Mapping[str, nn.Linear], folder: Path, manifest: AdapterManifest
) -> dict[str, torch.Tensor]:
    """The tensors of the adapter in `folder` by PEFT's names; `layers` are the base's `target_layers`.

    Raises:
        BadAdapter: see `AdapterBank.load`, whose checks these are.
    """
    expected = expected_tensors(base, layers, folder, manifest)
    content = read_weights(folder, layers, max_rank=manifest.lora.r)
    check_digest(hex_digest(content), folder, manifest)
    weights = found_tensors(content, expected, folder)
    extremes = Extremes()
    for name, tensor in weights.items():
        extremes.add(name, tensor)
    extremes.settle(folder, manifest)
    return weights


def target_layers(vlm: VisionLanguageModel) -> dict[str, nn.Linear]:
    """The language model's linear layers that an adapter may change, by their full name."""
    return linear_layers(vlm.model, vlm.base.lora_targets)


def linear_layers(model: nn.Module, targets: Collection[str]) -> dict[str, nn.Linear]:
    """The language model's linear layers of these names, by their full name, in a model of transformers."""
    return {
        name: module
        for name, module in model.named_modules()
        if ".language_model." in f".{name}"
        and name.rpartition(".")[2] in targets
        and isinstance(module, nn.Linear)
    }


def lora_scale(manifest: AdapterManifest) -> float:
    """What the product of B and A is multiplied by: alpha / r, or alpha / sqrt(r) if rank-stabilised."""
    lora = manifest.lora
    return lora.alpha / (math.sqrt(lora.r) if lora.use_rslora else lora.r)


def tensor_names(layer: str) -> tuple[str, str]:
    """PEFT's names of a layer's A `(rank, in)` and B `(out, rank)`."""
    return f"{_PEFT_PREFIX}{layer}.lora_A.weight", f"{_PEFT_PREFIX}{layer}.lora_B.weight"


def read_weights(
    folder: Path,
    layers: Mapping[str, nn.Linear],
    on_part: Callable[[memoryview], object] = lambda part: None,
    *,
    max_rank: int,
) -> memoryview:
    """The bytes of the weights file in `folder`; `on_part` is given each part as it comes, in order.

    Raises:
        BadAdapter: there is no such file, it cannot be read whole, or it is larger than any adapter of that
            rank on these layers.
    """
    path = folder / WEIGHTS_NAME
    if not path.is_file():
        raise BadAdapter(f"{path}: no such file; adapters are read from safetensors only")
    numbers = max_rank * sum(layer.in_features + layer.out_features for layer in layers.values())
    return read_whole(path, on_part, most=HEADER_LIMIT + _WIDEST * numbers)


def expected_tensors(
    base: Base,
    layers: Mapping[str, nn.Linear],
    folder: Path,
    manifest: AdapterManifest,
    config: bytes | None = None,
) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that the adapter must have, and no other; `config` is what
    `read_config` gave of this folder before.

    Raises:
        WrongBase: the adapter was made for another base or revision.
        NotPlainLora: `adapter_config.json` says what plain LoRA lacks.
        BadAdapter: the configuration cannot be read or is not what the manifest says.
    """
    wanted = manifest.base
    if (wanted.name, wanted.revision) != (base.name, base.revision):
        same = wanted.name == base.name and base.name in declared_bases()
        raise WrongBase(
            f"this adapter is for {wanted.name}@{wanted.revision}, and the base here is {base.pinned}",
            hint=how_to_have(wanted.name, wanted.revision) if same else f"--base {wanted.name}",
        )
    unknown = sorted(set(manifest.lora.targets) - set(base.lora_targets))
    if not manifest.lora.targets:
        raise BadAdapter(f"{folder.name}: zoo.json names no LoRA target")
    if unknown:
        raise BadAdapter(f"{base.name} has no LoRA target {unknown[0][:80]!r}")
    rank = manifest.lora.r
    if rank < 1:
        raise BadAdapter(f"rank {rank} in zoo.json; it is at least 1")
    check_config(read_config(folder) if config is None else config, layers, folder, manifest)
    expected: dict[str, tuple[int, ...]] = {}
    for name, layer in layers.items():
        if name.rpartition(".")[2] in manifest.lora.targets:
            a, b = tensor_names(name)
            expected[a], expected[b] = (rank, layer.in_features), (layer.out_features, rank)
    return expected


def found_tensors(
    content: memoryview, expected: Mapping[str, tuple[int, ...]], folder: Path
) -> dict[str, torch.Tensor]:
    """The tensors in a weights file's bytes, which are exactly those expected; no value is looked at.

    Raises:
        BrokenWeights: it is no whole safetensors file.
        WrongTensors: one is missing, unknown or of another shape.
    """

    def exactly_these(names: Set[str]) -> None:
        missing, extra = sorted(expected.keys() - names), sorted(names - expected.keys())
        if missing or extra:
            kind, some = ("lacks", missing) if missing else ("has the unknown tensor", extra)
            raise WrongTensors(
                f"{folder.name}: the adapter {kind} {some[0][:200]} "
                f"({len(missing)} missing, {len(extra)} extra)"
            )

    found = tensors_in(content, where=str(folder / WEIGHTS_NAME), check=exactly_these)
    for name, shape in expected.items():
        if tuple(found[name].shape) != shape:
            raise WrongTensors(f"{folder.name}: {name} has the shape {tuple(found[name].shape)}, not {shape}")
    return found


def hex_digest(content: memoryview) -> str:
    """sha256 of a weights file's bytes."""
    return hashlib.sha256(content).hexdigest()


def check_digest(digest: str, folder: Path, manifest: AdapterManifest) -> None:
    """Raise DigestMismatch unless it is the manifest's."""
    if digest != manifest.weights_sha256:
        path = folder / WEIGHTS_NAME
        raise DigestMismatch(f"{path}: sha256 is {digest}, and zoo.json says {manifest.weights_sha256}")


class Extremes:
    """The least and the greatest value of each tensor, which tell whether all are finite and any is not zero.

    Taken from the file's tensors in one pass each. What a scale and a precision make of a tensor they make of
    its extremes, so that a slot holds no infinity either that was made on the way.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._found: list[torch.Tensor] = []

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Look at a tensor of PEFT's name."""
        self._names.append(name)
        self._found.extend(torch.aminmax(tensor))  # NaN if there is any

    def settle(
        self,
        folder: Path,
        manifest: AdapterManifest,
        *,
        scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Judge all of them as they are in that precision, B scaled.

        Raises:
            NotFinite: one holds a NaN or an infinity.
            NoEffect: in every layer A or B is all zero, and the manifest does not say that it shall be so.
        """
        values = torch.stack(self._found).float().view(-1, 2)
        values[[".lora_B." in name for name in self._names]] *= scale
        values = values.to(dtype)
        for name, finite in zip(self._names, values.isfinite().all(dim=1).tolist(), strict=True):
            if not finite:
                raise NotFinite(f"{folder.name}: {name} holds a value that is not finite in {dtype}")
        alive = {name for name, some in zip(self._names, values.any(dim=1).tolist(), strict=True) if some}
        effect = any(".lora_A." in name and name.replace(".lora_A.", ".lora_B.") in alive for name in alive)
        if not effect and not manifest.no_effect_expected:
            raise NoEffect(
                f"{folder.name}: lora_A or lora_B is zero everywhere, so this adapter changes nothing"
            )
