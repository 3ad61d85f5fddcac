"""The zoo's model with its adapter bank, as the embedded engine wants it. The only part of serving that
loads torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.bases import Base
from zoo.manifest import AdapterManifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.generate import Generated, Row, generate
from zoo.vlm.model import load_base


class BankedModel:
    """A base loaded once, with `slots` adapters beside it."""

    def __init__(
        self,
        base: Base,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        slots: int = 8,
        max_rank: int = 64,
        max_new_tokens: int = 64,
    ) -> None:
        self._vlm = load_base(base, device=device, dtype=dtype)
        self._bank = AdapterBank(self._vlm, slots=slots + 1, max_rank=max_rank)  # slot 0 is the base
        self._max_new_tokens = max_new_tokens

    def encode(self, images: Sequence[Image.Image]) -> tuple[Any, int]:
        """Vision features and their bytes."""
        features = self._vlm.encode_images(images)
        return features, features.nbytes

    def load(self, slot: int, folder: Path, manifest: AdapterManifest) -> None:
        """See `zoo.vlm.bank.AdapterBank.load`."""
        self._bank.load(slot, folder, manifest)

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        self._bank.clear(slot)

    def generate(self, rows: Sequence[tuple[Any, str, int]]) -> list[Generated]:
        """Greedy answers, one a row."""
        wanted = [Row(features=features, prompt=prompt, slot=slot) for features, prompt, slot in rows]
        return generate(self._vlm, wanted, max_new_tokens=self._max_new_tokens)
