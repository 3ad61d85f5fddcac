"""Gemma 3: a SigLIP tower pooled to a fixed number of tokens, which see each other both ways.

Each image is seen once and whole; no crops of it are added ("pan and scan").
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from PIL import Image
from transformers import Gemma3ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling

from zoo.errors import BadDeclaration
from zoo.vlm.encoded import EncodedImage
from zoo.vlm.families import Family


class Gemma3(Family):
    """Gemma3ForConditionalGeneration."""

    models = (Gemma3ForConditionalGeneration,)
    together = 8

    def encode(self, model: Any, image_processor: Any, images: Sequence[Image.Image]) -> list[EncodedImage]:
        read = image_processor(images=list(images), do_pan_and_scan=False, return_tensors="pt")
        pixels = read["pixel_values"].to(model.device, model.dtype)
        return [EncodedImage(tokens) for tokens in model.model.get_image_features(pixels).pooler_output]

    def image_token(self, processor: Any) -> str:
        token: str = processor.tokenizer.image_token
        return token

    def image_marker(self, processor: Any) -> str:
        marker: str = processor.boi_token
        return marker

    def image_text(self, processor: Any, tokens: int) -> str:
        if tokens != processor.image_seq_length:
            raise BadDeclaration(f"{tokens} features of an image; its text has {processor.image_seq_length}")
        text: str = processor.full_image_sequence
        return text

    def end_of_turn(self, processor: Any) -> int:
        token: int = processor.tokenizer.convert_tokens_to_ids("<end_of_turn>")
        return token

    def two_way(
        self, model: Any, prompt_ids: Sequence[int], images: Sequence[EncodedImage]
    ) -> tuple[tuple[int, int], ...]:
        parts, start = [], 0
        for is_image, run in groupby(token == model.config.image_token_id for token in prompt_ids):
            end = start + len(list(run))
            if is_image:
                parts.append((start, end))
            start = end
        return tuple(parts)

    def padded_inputs(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, images: Sequence[EncodedImage]
    ) -> dict[str, Any]:
        features: Any = torch.stack([image.tokens for image in images])
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": (ids == model.config.image_token_id).int(),
            "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)},
        }


FAMILY = Gemma3()
