"""Rows of different lengths as one padded batch. Knows nothing of what is done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from zoo.vlm.model import ImageFeatures, VisionLanguageModel


@dataclass(frozen=True)
class PaddedBatch:
    """Token ids and attention mask, both `(rows, tokens)`, and the rows' vision features."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    images: list[torch.Tensor]

    def model_inputs(self) -> dict[str, Any]:
        """What the model's forward and `generate` take. Made anew a call: `generate` changes it."""
        images: Any = list(self.images)
        vision = BaseModelOutputWithPooling(pooler_output=images)
        return {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "mm_encoder_outputs": {"image": vision},
        }


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
        torch.tensor(rows, device=vlm.device),
        torch.tensor(masks, device=vlm.device),
        [image for feature in features for image in feature.images],
    )
