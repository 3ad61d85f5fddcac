"""A checkpoint's image processor, made to follow what its base says of images. Knows no weights."""

from typing import Any

import numpy as np
from PIL import Image
from transformers import LlavaImageProcessorPil

from zoo.bases import ImageRule
from zoo.errors import BadDeclaration, BadInput

MOST_ASPECT = 200
"""Times that a picture of any size may be longer than wide; Qwen's own processors refuse more."""
LONGEST_PADDED = 10_000
"""Pixels a side of the square to which a picture is padded at most: 0.3 GB, and no film is as long."""


def following(rule: ImageRule, processor: Any, *, base: str) -> Any:
    """The same image processor, or one that pads to a square or stops at fewer pixels as the rule has it.

    Raises:
        BadDeclaration: it makes pictures of another size than the base was taught on.
    """
    if rule.pad_to_square:
        # transformers' processor for LLaVA: CLIP's, behind a square of the mean colour, the picture centred.
        processor = LlavaImageProcessorPil(**{**processor.to_dict(), "do_pad": True})
    if rule.side is not None:
        height, width = np.shape(processor(images=[Image.new("RGB", (3, 2))])["pixel_values"][0])[-2:]
        if (height, width) != (rule.side, rule.side):
            raise BadDeclaration(
                f"the image processor of {base} makes pictures of {width} x {height} pixels; "
                f"the base sees {rule.side} x {rule.side}"
            )
    if rule.pixels_a_token is not None:
        pixels = (processor.patch_size * processor.merge_size) ** 2
        if pixels != rule.pixels_a_token:
            raise BadDeclaration(
                f"the image processor of {base} makes a token of {pixels} pixels; "
                f"the base says {rule.pixels_a_token}"
            )
    if rule.max_pixels is not None and processor.size.longest_edge > rule.max_pixels:
        size = {"shortest_edge": processor.size.shortest_edge, "longest_edge": rule.max_pixels}
        processor = type(processor)(**{**processor.to_dict(), "size": size})
    return processor


def check_picture(rule: ImageRule, picture: Image.Image, *, base: str) -> None:
    """Raise BadInput for a picture that could only be read as a strip, or with far too much padding."""
    long, short = max(picture.size), min(picture.size)
    of = f"a picture of {picture.width} x {picture.height} pixels"
    if rule.pad_to_square and long > LONGEST_PADDED:
        raise BadInput(
            f"{of} is too long: {base} pads it to a square, of at most {LONGEST_PADDED} pixels a side",
            hint="make it smaller",
        )
    if rule.side is None and long > MOST_ASPECT * short:
        raise BadInput(f"{of} is more than {MOST_ASPECT} times as long as wide", hint="cut it into parts")
