"""LLaVA: a CLIP-like tower, a projector, a Llama-like language model."""

from collections.abc import Sequence
from typing import Any

from PIL import Image
from transformers import LlavaForConditionalGeneration

from zoo.vlm.encoded import EncodedImage
from zoo.vlm.families import Family


class Llava(Family):
    """LlavaForConditionalGeneration."""

    models = (LlavaForConditionalGeneration,)

    def encode(self, model: Any, image_processor: Any, images: Sequence[Image.Image]) -> list[EncodedImage]:
        pixels = image_processor(images=list(images), return_tensors="pt")["pixel_values"]
        encoded = model.model.get_image_features(
            pixel_values=pixels.to(model.device, model.dtype),
            vision_feature_layer=model.config.vision_feature_layer,
            vision_feature_select_strategy=model.config.vision_feature_select_strategy,
        )
        return [EncodedImage(tokens) for tokens in encoded.pooler_output]


FAMILY = Llava()
