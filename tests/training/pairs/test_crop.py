"""A random crop as the rejected image: drawn by the pair's seed, recorded by its box."""

import numpy as np
from PIL import Image

from training.pairs.crop import Crop
from training.pairs.step import Draft
from zoo.perturb import random_crop

PICTURES = tuple(
    Image.fromarray(np.random.default_rng(n).integers(0, 255, (40, 60), dtype=np.uint8)) for n in (1, 2)
)


def test_the_seed_and_the_share_of_the_area_make_each_crop_again(make_draft) -> None:  # type: ignore[no-untyped-def]
    (came,) = Crop(least=0.2, most=0.3).run([make_draft("left", seed=5, images=PICTURES)], tools=None)  # type: ignore[arg-type]
    assert isinstance(came, Draft)
    assert came.rejected_images is not None
    crops = [random_crop(image, seed=5 + n, scale=(0.2, 0.3)) for n, image in enumerate(PICTURES)]
    assert [image.tobytes() for image in came.rejected_images] == [image.tobytes() for image, _ in crops]
    assert came.made_by == {"rejected_image": "crop", "crop_boxes": [list(box) for _, box in crops]}
