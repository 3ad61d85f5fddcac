"""Rejected images by black: the whole image, or the region that the question is about."""

from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from training.pairs.perturb import Perturb
from zoo.perturb import blank


@dataclass(frozen=True, kw_only=True)
class Blank(Perturb):
    """Black."""

    name: ClassVar[str] = "black"

    def perturbed(self, image: Image.Image, mask: Image.Image | None, *, seed: int) -> Image.Image:
        return blank(image, mask=mask)
