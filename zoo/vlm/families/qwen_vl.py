"""Qwen2.5-VL and Qwen3-VL: images of any size, placed by height and width; Qwen3 adds deeper features.

It reads images with Pillow alone: transformers' own processors of these models need torchvision, for videos,
which are not read here.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from zoo.vlm.encoded import EncodedImage
from zoo.vlm.families import Family


@dataclass
class _Processor:
    """Tokenizer, image processor and the chat template where a file of its own has it."""

    tokenizer: Any
    image_processor: Any
    chat_template: str | None

    def apply_chat_template(self, conversation: list[dict[str, Any]], **settings: Any) -> str:
        text: str = self.tokenizer.apply_chat_template(
            conversation, chat_template=self.chat_template, **settings
        )
        return text


class QwenVL(Family):
    """Qwen2_5_VLForConditionalGeneration and Qwen3VLForConditionalGeneration."""

    models = (Qwen2_5_VLForConditionalGeneration, Qwen3VLForConditionalGeneration)
    together = 8

    def load_processor(self, source: str) -> Any:
        written = Path(source) / "chat_template.json"
        return _Processor(
            AutoTokenizer.from_pretrained(source),
            Qwen2VLImageProcessorPil.from_pretrained(source),
            json.loads(written.read_text())["chat_template"] if written.is_file() else None,
        )

    def encode(self, model: Any, image_processor: Any, images: Sequence[Image.Image]) -> list[EncodedImage]:
        read = image_processor(images=list(images), return_tensors="pt")
        if model.device.type == "meta":  # an outline, whose tower cannot read a grid
            merged = model.config.vision_config.spatial_merge_size**2
            hidden = model.config.get_text_config().hidden_size
            return [
                EncodedImage(torch.empty(math.prod(grid) // merged, hidden, device="meta"), grid=tuple(grid))
                for grid in read["image_grid_thw"].tolist()
            ]
        encoded = model.model.get_image_features(
            pixel_values=read["pixel_values"].to(model.device),
            image_grid_thw=read["image_grid_thw"].to(model.device),
        )
        layers = encoded.get("deepstack_features") or ()
        return [
            EncodedImage(tokens, grid=tuple(grid), deepstack=tuple(layer[number] for layer in layers))
            for number, (tokens, grid) in enumerate(
                zip(encoded.pooler_output, read["image_grid_thw"].tolist(), strict=True)
            )
        ]

    def image_token(self, processor: Any) -> str:
        return "<|image_pad|>"

    def positions(
        self, model: Any, prompt_ids: Sequence[int], images: Sequence[EncodedImage]
    ) -> torch.Tensor:
        ids = torch.tensor([list(prompt_ids)])
        placed, _ = model.model.get_rope_index(ids, _types(model, ids), image_grid_thw=_grids(images))
        positions: torch.Tensor = placed[:, 0]
        return positions

    def embed(
        self, model: Any, ids: torch.Tensor, images: Sequence[EncodedImage]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        embeds, extra = super().embed(model, ids, images)
        deep = [torch.cat(layer) for layer in _deepstack(images)]
        if deep:
            where = ids == model.config.image_token_id
            extra = {"visual_pos_masks": where[None], "deepstack_visual_embeds": deep}
        return embeds, extra

    def padded_inputs(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, images: Sequence[EncodedImage]
    ) -> dict[str, Any]:
        features: Any = BaseModelOutputWithDeepstackFeatures(
            pooler_output=[image.tokens for image in images],  # type: ignore[arg-type]
            deepstack_features=_deepstack(images),  # type: ignore[arg-type]
        )
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "mm_token_type_ids": _types(model, ids),
            "image_grid_thw": _grids(images).to(ids.device),
            "mm_encoder_outputs": {"image": features},
        }


def _types(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """1 at image tokens, 0 elsewhere, as transformers tells them apart."""
    return torch.eq(ids, model.config.image_token_id).int()


def _grids(images: Sequence[EncodedImage]) -> torch.Tensor:
    """Patches along time, height and width, (images, 3)."""
    return torch.tensor([image.grid for image in images]).reshape(-1, 3)


def _deepstack(images: Sequence[EncodedImage]) -> list[tuple[torch.Tensor, ...]]:
    """By layer, each image's features."""
    return list(zip(*(image.deepstack for image in images), strict=True))


FAMILY = QwenVL()
