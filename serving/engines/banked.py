"""The zoo's model with its adapter bank, as the embedded engine wants it. The only part of serving that
loads torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from serving.engines.model import Content, Row
from zoo.asking import Turn
from zoo.bases import Base
from zoo.manifest import AdapterManifest
from zoo.vlm import decode
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import load_base
from zoo.vlm.quantised import Quantization


class BankedModel:
    """A base loaded once, with `slots` adapters beside it."""

    def __init__(
        self,
        base: Base,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        quantize: Quantization | None = None,
        slots: int = 8,
        max_rank: int = 64,
    ) -> None:
        self._vlm = load_base(base, device=device, dtype=dtype, quantize=quantize)
        self._bank = AdapterBank(self._vlm, slots=slots + 1, max_rank=max_rank)  # slot 0 is the base

    def encode(self, images: Sequence[Image.Image]) -> tuple[Any, int]:
        """Vision features and their bytes."""
        features = self._vlm.encode_images(images)
        return features, features.nbytes

    def check(self, features: Any, turns: Sequence[Turn]) -> None:
        """Raise BadInput if these turns cannot be put to the base."""
        self._vlm.prompt_ids(tuple(turns), features)

    def read(self, folder: Path) -> Content:
        """See `zoo.vlm.bank.AdapterBank.read`."""
        return self._bank.read(folder)

    def load(self, slot: int, folder: Path, manifest: AdapterManifest, content: Content) -> None:
        """See `zoo.vlm.bank.AdapterBank.load`."""
        self._bank.load(slot, folder, manifest, content=memoryview(content))

    def digest(self, slot: int) -> str | None:
        """Digest of the weights in a slot."""
        return self._bank.resident.get(slot)

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        self._bank.clear(slot)

    def begin(self, rows: Sequence[Row]) -> decode.Decoding:
        """See `zoo.vlm.decode.Decoding`."""
        return decode.Decoding(
            self._vlm,
            [decode.Row(row.features, row.turns, row.slot, row.sampling) for row in rows],
        )
