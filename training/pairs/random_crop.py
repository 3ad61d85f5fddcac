"""A small random part of the image, enlarged to its size: mDPO's rejected image (Wang et al. 2024)."""

from typing import Any

from PIL import Image

from zoo.images import random_crop

SCALE = (0.01, 0.2)
"""Share of the image's area that the crop keeps, as in mDPO's released code."""


def make_image(image: Image.Image, seed: int) -> tuple[Image.Image, dict[str, Any]]:
    """The crop, and how it was drawn."""
    cropped, box = random_crop(image, seed=seed, scale=SCALE)
    return cropped, {"crop": list(box), "scale": list(SCALE), "seed": seed}
