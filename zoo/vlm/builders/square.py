"""The processor of the bases that are built here: any picture becomes a square of one size."""

from typing import Any

from transformers import LlavaProcessor, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil


def make_processor(
    tokenizer: PreTrainedTokenizerFast, *, image_size: int, patch_size: int, template: str
) -> Any:
    """Pictures are stretched to a square of `image_size` pixels and scaled to -1..1."""
    square = {"height": image_size, "width": image_size}
    pictures = CLIPImageProcessorPil(
        size=square,
        do_center_crop=False,
        crop_size=square,
        resample=3,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        do_convert_rgb=True,
    )
    return LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
