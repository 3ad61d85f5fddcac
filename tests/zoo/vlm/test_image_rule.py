"""What becomes of a picture before the tower sees it: padded to a square, or kept small, as its base says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessorPil, Qwen2VLImageProcessorPil

from tests._stand_ins import stand_in
from zoo.bases import ImageRule, known_base
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.image_rule import check_picture, following
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.patches import patch_coverage, token_box

Load = Callable[..., VisionLanguageModel]
LLAVA = known_base("llava-med-v1.5").image
SIZES = [(336, 336), (500, 333), (333, 500), (101, 64), (64, 101), (3, 2), (1, 40)]


def clip() -> Any:
    """As the tower's own repository has it."""
    return CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})


def picture(size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(sum(size))
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def squared(image: Image.Image) -> Image.Image:
    """The original code's square of the longer side, of the mean colour, the picture in its middle."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), (122, 116, 104))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


@pytest.mark.parametrize("size", SIZES)
def test_a_padded_picture_is_clips_of_a_square_of_the_mean_colour_to_the_bit(size: tuple[int, int]) -> None:
    processor = following(LLAVA, clip(), base="llava-med-v1.5")
    found = processor(images=[picture(size)], return_tensors="np")["pixel_values"]
    expected = clip()(images=[squared(picture(size))], return_tensors="np")["pixel_values"]
    assert found.shape == (1, 3, 336, 336)
    np.testing.assert_array_equal(found, expected)
    if size[0] != size[1]:
        cropped = clip()(images=[picture(size)], return_tensors="np")["pixel_values"]
        assert np.abs(found - cropped).max() > 1


def test_a_rule_that_says_nothing_leaves_the_processor_as_it_is() -> None:
    processor = clip()
    assert following(ImageRule(), processor, base="phantom") is processor


def test_a_processor_of_another_size_than_the_base_says_is_refused() -> None:
    small = CLIPImageProcessorPil(size={"shortest_edge": 224}, crop_size=224)
    with pytest.raises(BadDeclaration, match="makes pictures of 224 x 224 pixels; the base sees 336 x 336"):
        following(LLAVA, small, base="llava-med-v1.5")


@pytest.mark.parametrize(("name", "patch"), [("huatuo-vision-7b-qwen2.5vl", 14), ("qwen3-vl-4b", 16)])
def test_a_large_film_becomes_at_most_1280_tokens_and_keeps_its_shape(name: str, patch: int) -> None:
    rule = known_base(name).image
    sizes = {"shortest_edge": 65536, "longest_edge": 16777216}
    published = Qwen2VLImageProcessorPil(patch_size=patch, size=sizes)
    processor = following(rule, published, base=name)
    for size in ((2544, 3056), (1024, 1024), (300, 200)):
        (_, rows, columns) = processor(images=[Image.new("RGB", size)])["image_grid_thw"][0]
        assert rows * columns // 4 <= 1280
        assert columns / rows == pytest.approx(size[0] / size[1], rel=0.07)
    small = Image.new("RGB", (300, 200))
    assert (
        processor(images=[small])["image_grid_thw"].tolist()
        == published(images=[small])["image_grid_thw"].tolist()
    )
    other = Qwen2VLImageProcessorPil(patch_size=30 - patch, size=sizes)
    with pytest.raises(BadDeclaration, match=f"of {(60 - 2 * patch) ** 2} pixels; the base says"):
        following(rule, other, base=name)


def test_a_picture_that_is_a_strip_or_would_be_padded_beyond_measure_is_refused(
    load_tiny: Load, pictures: Sequence[Image.Image]
) -> None:
    with pytest.raises(BadInput, match=r"10001 x 5 pixels is too long: llava-med-v1\.5 pads it to a square"):
        check_picture(LLAVA, Image.new("RGB", (10001, 5)), base="llava-med-v1.5")
    check_picture(LLAVA, Image.new("RGB", (10000, 5)), base="llava-med-v1.5")
    vlm = load_tiny("qwen2.5-vl")
    with pytest.raises(BadInput, match="3 x 601 pixels is more than 200 times as long as wide"):
        vlm.encode_batch([*pictures, Image.new("RGB", (3, 601))])
    assert len(vlm.encode_batch([Image.new("RGB", (3, 600))])) == 1


def test_an_image_of_another_number_of_tokens_than_the_base_says_is_refused(
    load_tiny: Load, pictures: Sequence[Image.Image]
) -> None:
    vlm = load_tiny("llava")
    vlm.base = replace(vlm.base, image=ImageRule(side=28, tokens=4))
    assert len(vlm.encode_batch(pictures)) == 3
    vlm.base = replace(vlm.base, image=ImageRule(side=28, tokens=5))
    with pytest.raises(BadDeclaration, match="tiny made 4 tokens of an image; it says 5"):
        vlm.encode_batch(pictures)


@pytest.fixture
def padding(load_tiny: Load) -> VisionLanguageModel:
    """A base that pads: 28 pixels a side, 2 x 2 tokens."""
    base = replace(load_tiny("llava").base, image=ImageRule(side=28, pad_to_square=True, tokens=4))
    return load_base(base, device="cpu", dtype="float32")


def test_a_base_that_pads_sees_what_a_crop_would_take_away(padding: VisionLanguageModel) -> None:
    white, black = (Image.new("RGB", (85, 28), value) for value in ("white", "black"))
    marked = black.copy()
    marked.paste(white.crop((0, 0, 20, 28)), (0, 0))  # at the left, which a crop to a square leaves out
    plain, seen = padding.encode_batch([black, marked])
    assert (plain.tokens - seen.tokens).abs().max() > 1e-3


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguageModel:
    """A stand-in of LLaVA-Med: 24 x 24 tokens of a padded square of 336 pixels."""
    base = stand_in("llava-med-v1.5", tmp_path_factory.mktemp("stand-in") / "base")
    return load_base(base, device="cpu", dtype="float32")


@pytest.mark.parametrize("size", [(336, 168), (501, 333), (64, 101)])
def test_a_mask_and_the_tokens_grid_lie_where_the_padding_put_the_picture(
    size: tuple[int, int], real: VisionLanguageModel
) -> None:
    image = real.encode_images([picture(size)]).images[0]
    width, height = size
    beyond = (max(size) - min(size)) / 2 / min(size)  # in shares of the shorter side
    box = (0, -beyond, 1, 1 + beyond) if width > height else (-beyond, 0, 1 + beyond, 1)
    np.testing.assert_allclose(token_box(real, image, size), box, atol=0.02)
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, width // 2, height // 2))
    inside = np.zeros((24, 24))
    long = max(size)
    for row, column in np.ndindex(24, 24):  # the middle of each token, in pixels of the picture
        x, y = (
            (column + 0.5) / 24 * long - (long - width) / 2,
            (row + 0.5) / 24 * long - (long - height) / 2,
        )
        inside[row, column] = 0 <= x < width / 2 and 0 <= y < height / 2
    found = patch_coverage(real, image, mask)
    assert np.abs(found - inside).mean() < 0.03
    assert inside.sum() > 50


def test_a_strip_that_fills_no_row_of_tokens_is_refused_and_not_taken_for_the_whole_square(
    real: VisionLanguageModel,
) -> None:
    image = real.encode_images([picture((336, 14))]).images[0]
    with pytest.raises(BadDeclaration, match="sees a picture of 336 x 14 pixels by too few tokens"):
        token_box(real, image, (336, 14))
