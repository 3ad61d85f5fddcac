"""Rows of different lengths as one padded batch. Knows nothing of what is done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True)
class PaddedBatch:
    """Token ids and attention mask, both `(rows, tokens)`, and the rows' vision features."""

    vlm: VisionLanguageModel
    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    images: tuple[EncodedImage, ...]

    def model_inputs(self) -> dict[str, Any]:
        """What the model's forward and `generate` take. Made anew a call: `generate` changes it."""
        return self.vlm.family.padded_inputs(self.vlm.model, self.input_ids, self.attention_mask, self.images)


def pad_batch(
    vlm: VisionLanguageModel,
    sequences: Sequence[Sequence[int]],
    features: Sequence[ImageFeatures],
    *,
    side: str,
) -> PaddedBatch:
    """Pad token sequences on the `left` (to generate) or `right` (to score)."""
    width = max(len(ids) for ids in sequences)
    pad = vlm.tokenizer.pad_token_id
    rows, masks = [], []
    for ids in sequences:
        gap = width - len(ids)
        before, after = (gap, 0) if side == "left" else (0, gap)
        rows.append([pad] * before + list(ids) + [pad] * after)
        masks.append([0] * before + [1] * len(ids) + [0] * after)
    return PaddedBatch(
        vlm,
        torch.tensor(rows, device=vlm.device),
        torch.tensor(masks, device=vlm.device),
        tuple(image for feature in features for image in feature.images),
    )
