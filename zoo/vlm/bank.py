"""The adapter bank: slots of stacked LoRA weights on one base; each row of a batch picks its slot.

For each target layer the bank holds A `(slots, in, rank)` and B `(slots, rank, out)` with the scale
folded into B, ranks padded with zeros to the bank's. Slot 0 is the base: zeros. Loading writes into a
slot and rebuilds nothing. The bank knows slots and weights; who is in which slot, and whether a slot
may be given up, is the caller's to know.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from zoo.errors import BadAdapter, BadInput, DigestMismatch, NoEffect, WrongBase
from zoo.manifest import CONFIG_NAME, WEIGHTS_NAME, AdapterManifest
from zoo.vlm.model import VisionLanguageModel

PEFT_PREFIX = "base_model.model."
_PLAIN_LORA = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "inference_mode", "init_lora_weights",
    "lora_alpha", "lora_dropout", "megatron_core", "peft_type", "peft_version", "r", "revision",
    "target_modules", "task_type", "use_rslora", "rank_pattern", "qalora_group_size",
})  # fmt: skip
"""Keys of `adapter_config.json` that may hold a value; any other one changes what the weights mean."""


class _BankedLinear(nn.Module):
    """A frozen linear layer plus, for each row of the batch, the LoRA of that row's slot."""

    def __init__(self, inner: nn.Linear, bank: "AdapterBank", slots: int, rank: int) -> None:
        super().__init__()
        self.inner = inner
        self._bank = (bank,)  # in a tuple, so that torch does not take it for a part
        zeros = inner.weight.new_zeros
        self.a = nn.Buffer(zeros(slots, inner.in_features, rank), persistent=False)
        self.b = nn.Buffer(zeros(slots, rank, inner.out_features), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slots = self._bank[0].row_slots
        delta = torch.bmm(torch.bmm(x, self.a[slots]), self.b[slots])
        out: torch.Tensor = self.inner(x) + delta
        return out


class AdapterBank:
    """Puts a bank of `slots` adapters, ranks up to `max_rank`, on a model's LoRA targets."""

    def __init__(self, vlm: VisionLanguageModel, *, slots: int = 9, max_rank: int = 64) -> None:
        if vlm.bank is not None:
            raise BadInput("this model has an adapter bank already")
        self.vlm = vlm
        self.slots = slots
        self.max_rank = max_rank
        self.resident: dict[int, str] = {0: ""}
        """Digest of the weights in each filled slot; slot 0 is the base."""
        self._rows: torch.Tensor | None = None
        self._layers: dict[str, _BankedLinear] = {}
        for name, module in target_layers(vlm).items():
            parent, _, leaf = name.rpartition(".")
            banked = _BankedLinear(module, self, slots, max_rank)
            setattr(vlm.model.get_submodule(parent), leaf, banked)
            self._layers[name] = banked
        vlm.bank = self

    @property
    def row_slots(self) -> torch.Tensor:
        """The slot of each row of the running batch, `(rows,)`."""
        if self._rows is None:
            raise RuntimeError("a banked model runs only inside `with bank.rows(...)`")
        return self._rows

    @contextmanager
    def rows(self, slots: Sequence[int]) -> Iterator[None]:
        """Run a batch whose row i uses the adapter in `slots[i]`.

        Raises:
            BadInput: a slot holds no adapter.
        """
        empty = sorted(set(slots) - set(self.resident))
        if empty:
            raise BadInput(f"slot {empty[0]} of the adapter bank is empty")
        self._rows = torch.tensor(list(slots), device=self.vlm.device)
        try:
            yield
        finally:
            self._rows = None

    @torch.no_grad()
    def load(self, slot: int, folder: Path, manifest: AdapterManifest) -> None:
        """Check an adapter folder in every way, then write it into an empty slot.

        Raises:
            BadInput: the slot is out of range or taken.
            WrongBase: the adapter was made for another base or revision.
            DigestMismatch: the weights are not those that the manifest names.
            NoEffect: B is all zero, so the adapter changes nothing.
            BadAdapter: no safetensors file, a feature the bank cannot hold, missing or extra or
                misshapen tensors, a value that is not finite.
        """
        if slot in self.resident or not 0 < slot < self.slots:
            raise BadInput(f"slot {slot} is taken, or not among 1 to {self.slots - 1}")
        weights = self._checked(folder, manifest)
        self._erase(slot)
        scale = _scale(manifest)
        for name, layer in self._layers.items():
            a = weights.get(f"{PEFT_PREFIX}{name}.lora_A.weight")
            if a is None:
                continue
            b = weights[f"{PEFT_PREFIX}{name}.lora_B.weight"]
            rank = a.shape[0]
            layer.a[slot, :, :rank] = a.T.to(layer.a)
            layer.b[slot, :rank, :] = (b.float().T * scale).to(layer.b)
        self.resident[slot] = manifest.weights_sha256

    def clear(self, slot: int) -> None:
        """Empty a slot. The caller sees to it that no batch under way uses it."""
        if slot == 0:
            raise BadInput("slot 0 is the base and stays")
        self._erase(slot)
        self.resident.pop(slot, None)

    def _erase(self, slot: int) -> None:
        for layer in self._layers.values():
            layer.a[slot].zero_()
            layer.b[slot].zero_()

    def _checked(self, folder: Path, manifest: AdapterManifest) -> dict[str, torch.Tensor]:
        """The adapter's tensors, after every check; `manifest` says what they must be."""
        base = self.vlm.base
        if (manifest.base.name, manifest.base.revision) != (base.name, base.revision):
            raise WrongBase(
                f"this adapter is for {manifest.base.name}@{manifest.base.revision}, "
                f"and the base here is {base.pinned}",
                hint=f"medzoo serve --base {manifest.base.name}",
            )
        _check_config(folder, manifest)
        if manifest.lora.r > self.max_rank:
            raise BadAdapter(f"rank {manifest.lora.r} is above the bank's {self.max_rank}")
        weights = _read_weights(folder, manifest)
        _check_shapes(weights, self._expected(manifest))
        for name, tensor in weights.items():
            if not torch.isfinite(tensor).all():
                raise BadAdapter(f"{folder.name}: {name} holds a value that is not finite")
        if not manifest.no_effect_expected and not any(
            bool(tensor.any()) for name, tensor in weights.items() if ".lora_B." in name
        ):
            raise NoEffect(f"{folder.name}: every lora_B is zero, so this adapter changes nothing")
        return weights

    def _expected(self, manifest: AdapterManifest) -> dict[str, tuple[int, int]]:
        """Name and shape of every tensor that the adapter must have, and no other."""
        unknown = sorted(set(manifest.lora.targets) - set(self.vlm.base.lora_targets))
        if unknown:
            raise BadAdapter(f"{self.vlm.base.name} has no LoRA target {unknown[0]!r}")
        rank, expected = manifest.lora.r, {}
        for name, layer in self._layers.items():
            if name.rpartition(".")[2] in manifest.lora.targets:
                expected[f"{PEFT_PREFIX}{name}.lora_A.weight"] = (rank, layer.inner.in_features)
                expected[f"{PEFT_PREFIX}{name}.lora_B.weight"] = (layer.inner.out_features, rank)
        return expected


def target_layers(vlm: VisionLanguageModel) -> dict[str, nn.Linear]:
    """The language model's linear layers that an adapter may change, by their full name."""
    return {
        name: module
        for name, module in vlm.model.named_modules()
        if ".language_model." in f".{name}"
        and name.rpartition(".")[2] in vlm.base.lora_targets
        and isinstance(module, nn.Linear)
    }


def _scale(manifest: AdapterManifest) -> float:
    lora = manifest.lora
    return lora.alpha / (math.sqrt(lora.r) if lora.use_rslora else lora.r)


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
