"""The adapter bank: slots of stacked LoRA weights on one base; each row of a batch picks its slot.

For each target layer the bank holds A `(slots, in, rank)` and B `(slots, rank, out)` with the scale
folded into B, ranks padded with zeros to the bank's. Slot 0 is the base: zeros. Loading writes into a
slot and rebuilds nothing. The bank knows slots and weights; who is in which slot, and whether a slot
may be given up, is the caller's to know.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from zoo.errors import BadAdapter, BadInput
from zoo.manifest import AdapterManifest
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.weights import PEFT_PREFIX, checked_weights, target_layers


class _BankedLinear(nn.Module):
    """A frozen linear layer plus, for each row of the batch, the LoRA of that row's slot."""

    def __init__(self, inner: nn.Linear, bank: "AdapterBank", slots: int, rank: int) -> None:
        super().__init__()
        self.inner = inner
        self._bank = (bank,)  # in a tuple, so that torch does not take it for a part
        device, dtype = inner.weight.device, bank.vlm.dtype  # the weights themselves may be of 4 bits
        a = torch.zeros(slots, inner.in_features, rank, device=device, dtype=dtype)
        b = torch.zeros(slots, rank, inner.out_features, device=device, dtype=dtype)
        self.a, self.b = nn.Buffer(a, persistent=False), nn.Buffer(b, persistent=False)

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
        if manifest.lora.r > self.max_rank:
            raise BadAdapter(f"rank {manifest.lora.r} is above the bank's {self.max_rank}")
        inner = {name: layer.inner for name, layer in self._layers.items()}
        weights = checked_weights(self.vlm.base, inner, folder, manifest)
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


def _scale(manifest: AdapterManifest) -> float:
    lora = manifest.lora
    return lora.alpha / (math.sqrt(lora.r) if lora.use_rslora else lora.r)
