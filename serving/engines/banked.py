"""The zoo's model with its adapter bank, as the embedded engine wants it. The only part of serving that
loads torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from serving.engines.model import Looked, Row
from zoo.asking import Turn, question
from zoo.bases import Base
from zoo.evaluation.grounding import GENERAL
from zoo.manifest import AdapterManifest
from zoo.vlm import decode
from zoo.vlm.attention import image_attention
from zoo.vlm.bank import AdapterBank
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.patches import token_box
from zoo.vlm.quantised import Quantization
from zoo.vlm.weights import AdapterFiles

Floats = npt.NDArray[Any]
FLOOR = 0.03
"""Of the general description's mean attention to a token, added above and below the ratio: a token to which
it pays next to none would outshine all others."""
MOST_BOXES = 1024
"""Sizes of pictures of which it is remembered what of them the model sees."""


class BankedModel:
    """A base with `slots` adapters beside it; `max_rows` is the most rows of a batch."""

    def __init__(
        self, vlm: VisionLanguageModel, *, slots: int = 8, max_rank: int = 64, max_rows: int = 16
    ) -> None:
        graph_rows = 1 << (max_rows - 1).bit_length() if vlm.compiled else 0  # graphs pad to powers of two
        self._vlm = vlm
        self._boxes: dict[tuple[int, int], tuple[float, float, float, float]] = {}
        self._bank = AdapterBank(vlm, slots=slots + 1, max_rank=max_rank, graph_rows=graph_rows)

    def encode(self, images: Sequence[Image.Image]) -> tuple[Any, int]:
        """Vision features and their bytes."""
        features = self._vlm.encode_images(images)
        return features, features.nbytes

    def check(self, features: Any, turns: Sequence[Turn], *, max_tokens: int) -> None:
        """Raise BadInput if these turns cannot be put to the base, or not with so long an answer."""
        self._vlm.check_length(len(self._vlm.prompt_ids(tuple(turns), features)), max_tokens)

    def read(self, folder: Path) -> AdapterFiles:
        """See `zoo.vlm.bank.AdapterBank.read`."""
        return self._bank.read(folder)

    def load(self, slot: int, folder: Path, manifest: AdapterManifest, content: AdapterFiles) -> None:
        """See `zoo.vlm.bank.AdapterBank.load`."""
        self._bank.load(slot, folder, manifest, content=content)

    def digest(self, slot: int) -> str | None:
        """Digest of the weights in a slot."""
        return self._bank.resident.get(slot)

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        self._bank.clear(slot)

    def look(
        self,
        features: ImageFeatures,
        sizes: Sequence[tuple[int, int]],
        turns: Sequence[Turn],
        slots: Sequence[int],
    ) -> list[Looked]:
        """The last prompt token's attention to each image token, a mean over layers and heads, over the same
        of a general description, so that what every prompt looks at cancels out (after VGMED)."""
        images = zip(features.images, sizes, strict=True)
        boxes = [self._box(image, size) for image, size in images]
        own, general = (
            image_attention(self._vlm, features, prompt, slots=slots)
            for prompt in (turns, question(GENERAL, images=len(sizes)))
        )
        return [
            Looked(_over(asked, usual), box) for asked, usual, box in zip(own, general, boxes, strict=True)
        ]

    def _box(self, image: EncodedImage, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """See `token_box`. Of a large picture it takes a good part of a second, and only its size matters."""
        if size not in self._boxes:
            if len(self._boxes) >= MOST_BOXES:
                self._boxes.clear()
            self._boxes[size] = token_box(self._vlm, image, size)
        return self._boxes[size]

    def begin(self, rows: Sequence[Row]) -> decode.Decoding:
        """See `zoo.vlm.decode.Decoding`."""
        return decode.Decoding(
            self._vlm,
            [decode.Row(row.features, row.turns, row.slot, row.sampling) for row in rows],
        )


def _over(own: Floats, general: Floats) -> Floats:
    """(slots, layers, rows, columns) each -> (slots, rows, columns)."""
    own, general = (one.mean(axis=1, dtype=np.float64) for one in (own, general))
    floor = FLOOR * general.mean(axis=(1, 2), keepdims=True)
    return np.asarray((own + floor) / (general + floor), dtype=np.float32)


def load_banked(
    base: Base,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    quantize: Quantization | None = None,
    compiled: bool = False,
    slots: int = 8,
    max_rank: int = 64,
    max_rows: int = 16,
) -> BankedModel:
    """Load a base and put a bank on it; see `zoo.vlm.model.load_base`."""
    vlm = load_base(base, device=device, dtype=dtype, quantize=quantize, compiled=compiled)
    return BankedModel(vlm, slots=slots, max_rank=max_rank, max_rows=max_rows)
