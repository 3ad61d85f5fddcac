"""A tower that sees at three scales: its features are those of a plain computation, each token is of its own
part of the square, memory and work are those of all tiles."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from tests._scales import projected, scaled, seen
from tests._stand_ins import stand_in
from zoo.bases import known_base
from zoo.memory.peak import Precision, vision_bytes
from zoo.memory.shape import shape_of
from zoo.memory.work import image_operations
from zoo.vlm.families.llava_s2 import _pooled, _tiles
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.patches import patch_coverage, token_box

NAME = "llava-med++"


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguageModel:
    """A stand-in of it."""
    folder = tmp_path_factory.mktemp("stand-in") / "base"
    return load_base(stand_in(NAME, folder), device="cpu", dtype="float32")


@torch.no_grad()
def test_features_are_those_of_every_scale_side_by_side(vlm: VisionLanguageModel) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (170, 250, 3), dtype=np.uint8))
    square = vlm.image_processor(images=[picture], return_tensors="pt")["pixel_values"]
    assert square.shape == (1, 3, 1008, 1008)
    inner = vlm.model.model
    expected = projected(inner.multi_modal_projector, seen(inner.vision_tower, square, 336))
    (found,) = vlm.encode_images([picture]).images
    assert found.tokens.shape[0] == 576
    torch.testing.assert_close(found.tokens, expected, atol=1e-4, rtol=1e-4)


def test_smaller_squares_are_bicubic_without_smoothing() -> None:
    square = torch.randn(1, 3, 84, 84, generator=torch.Generator().manual_seed(0))
    for plain, side in zip(scaled(square, 28), (28, 56, 84), strict=True):
        torch.testing.assert_close(
            interpolate(square, size=(side, side), mode="bicubic"), plain, atol=1e-5, rtol=1e-5
        )


def test_tiles_lie_row_by_row_and_a_token_is_the_mean_of_its_part() -> None:
    square = torch.arange(16.0).view(1, 1, 4, 4)
    assert _tiles(square, 2).flatten(1).tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]
    assert _pooled(square.view(4, 4, 1), 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_a_token_is_of_its_part_of_the_padded_square(vlm: VisionLanguageModel) -> None:
    """480 x 240 pixels in a square of 480: 24 x 24 tokens of 20 pixels, the picture in rows 6 to 17."""
    mask = Image.new("L", (480, 240), 0)
    mask.paste(255, (40, 20, 80, 60))
    image = vlm.encode_images([Image.new("RGB", mask.size)]).images[0]
    expected = np.zeros((24, 24))
    expected[7:9, 2:4] = 1
    np.testing.assert_allclose(patch_coverage(vlm, image, mask), expected, atol=0.06)
    np.testing.assert_allclose(token_box(vlm, image, mask.size), (0, -0.5, 1, 1.5), atol=0.01)


def test_memory_is_that_of_the_largest_scale_and_work_that_of_all() -> None:
    several, one = shape_of(known_base(NAME)), shape_of(known_base("llava-med-v1.5"))
    half = Precision(bytes=2)
    assert vision_bytes(several, half, tokens=576, images=4) == vision_bytes(one, half, tokens=576, images=9)
    projectors = 2 * 576 * (14 * one.tower.projector - several.tower.projector)
    assert image_operations(several, tokens=576) == 14 * image_operations(one, tokens=576) - projectors
