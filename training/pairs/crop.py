"""A small random part of the image, enlarged to its size: mDPO's rejected image (Wang et al. 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.pairs.step import Draft, Part, Tools
from zoo.perturb import random_crop


@dataclass(frozen=True)
class Crop:
    """The rejected image is a random crop, drawn once a pair."""

    least: float = 0.01
    """Smallest share of the image's area that the crop keeps, as in mDPO's released code."""
    most: float = 0.2

    makes: ClassVar[tuple[Part, ...]] = ("rejected_images",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft]:
        return [self._crop(draft) for draft in drafts]

    def _crop(self, draft: Draft) -> Draft:
        made = [
            random_crop(image, seed=draft.seed + number, scale=(self.least, self.most))
            for number, image in enumerate(draft.images)
        ]
        how = {"rejected_image": "crop", "crop_boxes": [list(box) for _, box in made]}
        return draft.having(how, rejected_images=tuple(image for image, _ in made))
