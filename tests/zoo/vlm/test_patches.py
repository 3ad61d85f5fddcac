"""Where a mask lies among an image's tokens, held against each family's geometry worked out by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import BadDeclaration
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.patches import patch_coverage, token_box


def box(size: tuple[int, int], left: int, top: int, right: int, bottom: int) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, (left, top, right, bottom))
    return mask


def covered(vlm: VisionLanguageModel, mask: Image.Image) -> np.ndarray:
    image = vlm.encode_images([Image.new("RGB", mask.size)]).images[0]
    return patch_coverage(vlm, image, mask)


def test_a_square_picture_is_covered_patch_by_patch(vlm: VisionLanguageModel) -> None:
    """64 x 64 pixels are 8 x 8 tokens of 8 pixels; 12 pixels are a patch and a half."""
    expected = np.zeros((8, 8))
    expected[2, 1:4], expected[3, 1:4] = [1, 1, 1], [0.5, 0.5, 0.5]
    np.testing.assert_allclose(covered(vlm, box((64, 64), 8, 16, 32, 28)), expected, atol=0.01)


def test_a_large_picture_is_scaled_as_its_processor_scales_it(vlm: VisionLanguageModel) -> None:
    expected = np.zeros((8, 8))
    expected[:4, 4:] = 1  # the upper right quarter, of an oblong picture squashed to a square
    np.testing.assert_allclose(covered(vlm, box((512, 256), 256, 0, 512, 128)), expected, atol=0.06)


def test_what_is_cropped_away_is_covered_nowhere(load_tiny: Callable[..., VisionLanguageModel]) -> None:
    """The shorter side becomes 28: 120 x 40 become 84 x 28, of which the middle 28 stay, pixels 40 to 80."""
    vlm = load_tiny("llava")
    vlm.image_processor.size = {"shortest_edge": 28}
    assert covered(vlm, box((120, 40), 0, 0, 36, 40)).max() < 0.01
    np.testing.assert_allclose(covered(vlm, box((120, 40), 60, 0, 120, 20)), [[0, 1], [0, 0]], atol=0.05)


def test_what_is_padded_around_a_picture_is_covered_nowhere(
    vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 x 32 pixels stand in the middle of a grey square of 64: rows 2 to 5 of 8."""
    scaled = vlm.image_processor

    def squared(images: list[Image.Image], **more: str) -> Any:
        square = Image.new("RGB", (64, 64), (128, 128, 128))
        square.paste(images[0], (0, 16))
        return scaled(images=[square], **more)

    monkeypatch.setattr(vlm, "image_processor", squared)
    expected = np.zeros((8, 8))
    expected[2:6, :4] = 1
    np.testing.assert_allclose(covered(vlm, box((64, 32), 0, 0, 32, 32)), expected, atol=0.01)


@pytest.mark.parametrize(
    ("kind", "shape"), [("qwen2.5-vl", (2, 3)), ("qwen3-vl", (2, 3)), ("gemma3", (3, 3))]
)
def test_in_every_family_each_token_is_where_its_pixels_are(
    kind: str, shape: tuple[int, int], load_tiny: Callable[..., VisionLanguageModel]
) -> None:
    """An oblong picture of 84 x 56, a token's part of it white at a time: it alone is covered."""
    vlm, (rows, columns) = load_tiny(kind), shape
    for row in range(rows):
        for column in range(columns):
            left, top = 84 * column // columns, 56 * row // rows
            mask = box((84, 56), left, top, 84 * (column + 1) // columns, 56 * (row + 1) // rows)
            found = covered(vlm, mask)
            assert found.shape == shape
            assert np.unravel_index(found.argmax(), shape) == (row, column)
            assert found[row, column] > 0.85
            assert found.sum() - found[row, column] < 0.35


def test_a_processor_that_cuts_a_picture_into_several_is_refused(
    vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = vlm.encode_images([Image.new("RGB", (64, 64))]).images[0]
    whole = vlm.image_processor

    def twice(images: list[Image.Image], return_tensors: str) -> dict[str, object]:
        return dict(whole(images=images * 2, return_tensors=return_tensors))

    monkeypatch.setattr(vlm, "image_processor", twice)
    with pytest.raises(BadDeclaration, match=r"\[2, 3, 64, 64\] values of a picture of 64 x 64"):
        patch_coverage(vlm, image, box((64, 64), 0, 0, 8, 8))


@pytest.mark.parametrize("size", [(64, 64), (512, 256), (100, 300)])
def test_a_picture_squashed_to_a_square_is_seen_whole(
    vlm: VisionLanguageModel, size: tuple[int, int]
) -> None:
    image = vlm.encode_images([Image.new("RGB", size)]).images[0]
    np.testing.assert_allclose(token_box(vlm, image, size), (0, 0, 1, 1), atol=0.005)


def test_of_a_cropped_picture_the_middle_is_seen(load_tiny: Callable[..., VisionLanguageModel]) -> None:
    """120 x 40 become 84 x 28, of which the middle 28 stay: a third of the width."""
    vlm = load_tiny("llava")
    vlm.image_processor.size = {"shortest_edge": 28}
    image = vlm.encode_images([Image.new("RGB", (120, 40))]).images[0]
    np.testing.assert_allclose(token_box(vlm, image, (120, 40)), (1 / 3, 0, 2 / 3, 1), atol=0.01)


def test_the_tokens_of_a_padded_picture_reach_beyond_it(
    vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 x 32 pixels from pixel 16 of a square of 64, so half their height above and below them."""
    scaled = vlm.image_processor

    def squared(images: list[Image.Image], **more: str) -> Any:
        square = Image.new("RGB", (64, 64), (128, 128, 128))
        square.paste(images[0], (0, 16))
        return scaled(images=[square], **more)

    monkeypatch.setattr(vlm, "image_processor", squared)
    image = vlm.encode_images([Image.new("RGB", (64, 32))]).images[0]
    np.testing.assert_allclose(token_box(vlm, image, (64, 32)), (0, -0.5, 1, 1.5), atol=0.01)


@pytest.mark.parametrize("kind", ["qwen2.5-vl", "qwen3-vl", "gemma3"])
def test_in_every_family_the_whole_picture_is_seen(
    kind: str, load_tiny: Callable[..., VisionLanguageModel]
) -> None:
    vlm = load_tiny(kind)
    image = vlm.encode_images([Image.new("RGB", (84, 56))]).images[0]
    np.testing.assert_allclose(token_box(vlm, image, (84, 56)), (0, 0, 1, 1), atol=0.03)
