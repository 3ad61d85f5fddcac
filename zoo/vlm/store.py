"""Named tensors that are dear to make and cheap to keep: in memory up to a bound, on disk up to another.

Knows nothing of what they are. What does not fit is simply not kept; nothing that is kept makes room, since a
run reads everything once an epoch and then the first ones again.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

Tensors = Mapping[str, torch.Tensor]


class TensorStore:
    """Groups of tensors by key, in the dtype and on the device that they came with."""

    def __init__(
        self, folder: Path | None = None, *, memory_bytes: int = 2 << 30, disk_bytes: int = 20 << 30
    ) -> None:
        self._memory_bytes = memory_bytes
        self._held: dict[str, Tensors] = {}
        self._held_bytes = 0

    def get(self, key: str) -> Tensors | None:
        """The tensors of that key; None where they are not kept."""
        return self._held.get(key)

    def put(self, found: Mapping[str, Tensors]) -> None:
        """Keep what fits."""
        for key, tensors in found.items():
            size = sum(tensor.nbytes for tensor in tensors.values())
            if self._held_bytes + size <= self._memory_bytes:
                self._held[key] = tensors
                self._held_bytes += size
