"""The adapter bank: slots of stacked LoRA weights on one base; each row of a batch picks its slot.

For each target layer the bank holds A `(slots, rank, in)` and B `(slots, out, rank)`, as adapter files do,
with the scale folded into B and ranks padded with zeros to the bank's. Slot 0 is the base: zeros, as every
empty slot is. Loading writes into a slot and rebuilds nothing; it may run in a thread of its own while
batches run, for it touches nothing but the slot's own numbers and, last, one entry of `resident`. The bank
knows slots and weights; who is in which slot, and whether a slot may be given up, is the caller's to know.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from zoo.errors import BadAdapter, BadInput
from zoo.manifest import AdapterManifest
from zoo.vlm.adapter_config import read_config
from zoo.vlm.banked import BankedLinear, Pair
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.weights import (
    AdapterFiles,
    Extremes,
    check_digest,
    expected_tensors,
    found_tensors,
    lora_scale,
    read_weights,
    target_layers,
    tensor_names,
)

_STEP = 8
"""Ranks are computed in multiples of this many, which GPUs like."""
_SERIAL = 32_767
"""Most numbers that torch copies in the thread that asks for it."""


@dataclass(frozen=True, eq=False)
class Picked:
    """What a batch computes with: made once by `AdapterBank.pick`, used in each of its steps."""

    slots: tuple[int, ...]
    """Of each row."""
    loads: tuple[int, ...]
    """Number of the load that each row's slot held."""
    weights: Sequence[Pair] | None = field(repr=False)
    """For each layer A `(rows, in, rank)` and B `(rows, rank, out)`; None where all rows are the base's, or
    where the layers pick for themselves."""


class AdapterBank:
    """Puts a bank of `slots` adapters, ranks up to `max_rank`, on a model's LoRA targets."""

    def __init__(
        self, vlm: VisionLanguageModel, *, slots: int = 9, max_rank: int = 64, graph_rows: int = 0
    ) -> None:
        """With `graph_rows`, the most rows of a batch, a compiled graph or a CUDA graph of the model stays
        right whatever is loaded and whichever slots the rows pick: rows' slots are a tensor at a fixed place,
        and each layer gathers its weights, at the bank's full rank, inside the graph."""
        if vlm.bank is not None:
            raise BadInput("this model has an adapter bank already")
        self.vlm = vlm
        self.slots = slots
        self.max_rank = max_rank
        self.resident: dict[int, str] = {0: ""}
        """Digest of the weights in each filled slot; slot 0 is the base."""
        self.weights: Sequence[Pair] | None = None
        """Of the batch that runs, by layer; see `Picked`."""
        self._rows = 0
        """Rows of the batch that runs; 0: none does. A number, since a compiled graph may read it."""
        self._ranks = [0] + [max_rank] * (slots - 1)
        """Beyond its rank a slot is zero."""
        self._loads = [0] * slots
        """The number of the load whose weights lie in a slot, all of them or some; 0: it is zero."""
        self._next_load = itertools.count(1)
        self._row_slots = torch.zeros(graph_rows, dtype=torch.long, device=vlm.device) if graph_rows else None
        self._placed: Picked | None = None
        self._side = torch.cuda.Stream(vlm.device) if vlm.device.type == "cuda" else None
        self._targets = target_layers(vlm)
        self._layers: dict[str, BankedLinear] = {}
        for number, (name, module) in enumerate(self._targets.items()):
            parent, _, leaf = name.rpartition(".")
            banked = BankedLinear(module, self, number, self._row_slots)
            setattr(vlm.model.get_submodule(parent), leaf, banked)
            self._layers[name] = banked
        vlm.bank = self

    def check_rows(self, rows: int) -> None:
        """Raise unless a batch of that many rows runs."""
        if rows != self._rows:
            raise RuntimeError(
                f"a banked model runs only inside `with bank.running(...)` or `with bank.rows(...)`: "
                f"{rows} rows came, {self._rows} have a slot"
            )

    def pick(self, slots: Sequence[int]) -> Picked:
        """What a batch whose row i uses the adapter in `slots[i]` computes with, gathered once.

        Nothing is copied where the rows' slots are all the same or follow one another. The slots must keep
        their adapters for as long as the batch runs.

        Raises:
            BadInput: a slot holds no adapter, or there are more rows than the bank's graphs are made for.
        """
        empty = sorted(set(slots) - set(self.resident))
        if empty:
            raise BadInput(f"slot {empty[0]} of the adapter bank is empty")
        picked = Picked(tuple(slots), tuple(self._loads[slot] for slot in slots), None)
        if self._row_slots is not None:
            if len(slots) > len(self._row_slots):
                raise BadInput(f"{len(slots)} rows in a batch; the bank's graphs take {len(self._row_slots)}")
            return picked
        rank = max((self._ranks[slot] for slot in slots), default=0)
        if rank == 0:
            return picked
        rank = min(math.ceil(rank / _STEP) * _STEP, self.max_rank)
        first, count = slots[0], len(slots)
        if len(set(slots)) == 1:
            pairs = [
                (layer.a[first, :rank].expand(count, -1, -1), layer.b[first, :, :rank].expand(count, -1, -1))
                for layer in self._layers.values()
            ]
        elif list(slots) == list(range(first, first + count)):
            near = slice(first, first + count)
            pairs = [(layer.a[near, :rank], layer.b[near, :, :rank]) for layer in self._layers.values()]
        else:
            rows = torch.tensor(slots, device=self.vlm.device)
            pairs = [
                (layer.a[:, :rank].index_select(0, rows), layer.b[:, :, :rank].index_select(0, rows))
                for layer in self._layers.values()
            ]
        return Picked(picked.slots, picked.loads, [(a.mT, b.mT) for a, b in pairs])

    @contextmanager
    def running(self, picked: Picked) -> Iterator[None]:
        """Run one step of a batch; batches may take turns, one at a time.

        Raises:
            BadInput: a slot has been cleared or holds another adapter than when it was picked.
        """
        for slot, load in zip(picked.slots, picked.loads, strict=True):
            if slot not in self.resident or self._loads[slot] != load:
                raise BadInput(f"slot {slot} of the adapter bank was given up while a batch used it")
        if self._rows:
            raise RuntimeError("a batch of this bank runs already")
        if self._row_slots is not None and picked is not self._placed:
            self._row_slots[: len(picked.slots)] = torch.tensor(picked.slots)
            self._placed = picked
        self._rows, self.weights = len(picked.slots), picked.weights
        try:
            yield
        finally:
            self._rows, self.weights = 0, None

    @contextmanager
    def rows(self, slots: Sequence[int]) -> Iterator[None]:
        """Run a batch of one step whose row i uses the adapter in `slots[i]`; see `pick`."""
        with self.running(self.pick(slots)):
            yield

    def read(self, folder: Path) -> AdapterFiles:
        """The bytes of an adapter's files, which `load` takes and may be given again and again.

        Raises:
            BadAdapter: one is not there, is larger than any adapter of this bank, or ended early.
        """
        return AdapterFiles(read_config(folder), read_weights(folder, self._targets, max_rank=self.max_rank))

    @torch.no_grad()
    def load(
        self, slot: int, folder: Path, manifest: AdapterManifest, *, content: AdapterFiles | None = None
    ) -> None:
        """Check an adapter in every way while it is written into an empty slot. From any thread.

        `content` is what `read` gave of this folder before; it is checked as if it were new. The slot is
        announced only when all checks have passed; else it is left empty and zero.

        Raises:
            BadInput: the slot is out of range or taken.
            WrongBase: the adapter was made for another base or revision.
            DigestMismatch: the weights are not those that the manifest names.
            NoEffect: A or B is all zero in every layer, so the adapter changes nothing.
            BadAdapter: its subclasses say what: no safetensors file, a feature the bank cannot hold, missing,
                extra or misshapen tensors, a value that is not finite.
        """
        if slot in self.resident or not 0 < slot < self.slots:
            raise BadInput(f"slot {slot} is taken, or not among 1 to {self.slots - 1}")
        rank = manifest.lora.r
        if rank > self.max_rank:
            raise BadAdapter(
                f"rank {rank} is above the bank's {self.max_rank}",
                hint=f"MEDZOO_MAX_RANK={rank} medzoo serve",
            )
        if self._loads[slot]:  # it could not be emptied before
            self._erase(slot, self._ranks[slot])
        config = content.config if content else None
        expected = expected_tensors(self.vlm.base, self._targets, folder, manifest, config)
        hashing = hashlib.sha256()
        with ThreadPoolExecutor(1) as beside:

            def hash_beside(part: memoryview) -> None:  # it lets go of the interpreter meanwhile
                beside.submit(hashing.update, part)

            if content is None:
                weights = read_weights(folder, self._targets, hash_beside, max_rank=self.max_rank)
            else:
                weights = content.weights
                hash_beside(weights)
            digest = beside.submit(hashing.hexdigest)
            tensors = found_tensors(weights, expected, folder)
            self._ranks[slot], self._loads[slot] = rank, next(self._next_load)
            try:
                with self._own_stream():
                    extremes = self._write(slot, tensors, manifest)
                try:
                    extremes.settle(folder, manifest, scale=lora_scale(manifest), dtype=self.vlm.dtype)
                finally:  # bytes that are not the stated ones are what is wrong, whatever they say
                    check_digest(digest.result(), folder, manifest)
            except BaseException:
                self._erase(slot, rank)
                raise
        self.resident[slot] = manifest.weights_sha256

    def clear(self, slot: int) -> None:
        """Empty a slot, from any thread. The caller sees to it that no batch under way uses it.

        Raises:
            BadInput: it is slot 0, which is the base and stays, or no slot of this bank.
        """
        if not 0 < slot < self.slots:
            raise BadInput(f"slot {slot} cannot be emptied; slots for adapters are 1 to {self.slots - 1}")
        self.resident.pop(slot, None)
        self._erase(slot, self._ranks[slot])

    def _write(self, slot: int, tensors: dict[str, torch.Tensor], manifest: AdapterManifest) -> Extremes:
        """Put an adapter's tensors into a slot, and look at them on the way."""
        rank, scale, extremes = manifest.lora.r, lora_scale(manifest), Extremes()
        for name, layer in self._layers.items():
            name_a, name_b = tensor_names(name)
            if name_a not in tensors:
                continue
            own_a, own_b = layer.a[slot, :rank], layer.b[slot, :, :rank]
            for part, own in _parts(tensors[name_a], own_a):
                extremes.add(name_a, part)
                own.copy_(part)
            for part, own in _parts(tensors[name_b], own_b):
                extremes.add(name_b, part)
                part = part.to(own.device)
                exact = part if part.dtype == own.dtype else part.float()  # lest it be rounded twice
                torch.mul(exact, scale, out=own)
        return extremes

    def _erase(self, slot: int, rank: int) -> None:
        for layer in self._layers.values():
            layer.a[slot, :rank].zero_()
            layer.b[slot, :, :rank].zero_()
        self._ranks[slot], self._loads[slot] = self.max_rank, 0

    @contextmanager
    def _own_stream(self) -> Iterator[None]:
        """On a GPU a stream beside the batches', done with when it is left."""
        if self._side is None:
            yield
            return
        self._side.wait_stream(torch.cuda.current_stream(self._side.device))  # what emptied the slot
        try:
            with torch.cuda.stream(self._side):
                yield
        finally:
            self._side.synchronize()


def _parts(tensor: torch.Tensor, own: torch.Tensor) -> Iterator[Pair]:
    """Rows of a tensor and of its place in a slot: on a CPU so few at a time that torch takes no threads to
    them, which would wait for those that hash and answer."""
    rows = _SERIAL // tensor.shape[1] if own.device.type == "cpu" else len(tensor)
    return zip(tensor.split(max(rows, 1)), own.split(max(rows, 1)), strict=True)
