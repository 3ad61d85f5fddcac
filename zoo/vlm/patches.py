"""How much of each image token's part of a picture lies inside a mask, and which part of the picture the
tokens are of, whatever the processor does to it.

The processor itself is asked: it is shown the mask, an all-black and an all-white picture of the same size.
One that crops, pads, resizes and normalises does nothing but weigh pixels and add constants, so what the mask
changed against black, over what white changed, is the share of the mask. Knows no data set.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.errors import BadDeclaration
from zoo.vlm.attention import token_grid
from zoo.vlm.encoded import EncodedImage
from zoo.vlm.model import VisionLanguageModel

Floats = npt.NDArray[np.float64]


def patch_coverage(vlm: VisionLanguageModel, image: EncodedImage, mask: Image.Image) -> Floats:
    """Shares of the mask's inside by image token, (rows, columns), 0 to 1, rows from the top.

    `image` is the encoded picture, of whose size the mask is (mode L, 255 inside, 0 outside). A token that
    sees nothing of the picture, such as one of padding, has 0.

    Raises:
        BadDeclaration: the processor cuts a picture into several, or into pixels that are not the tokens'
            grid, so that nobody knows which pixels a token is of.
    """
    shape = token_grid(vlm, image)
    black, white = (Image.new("L", mask.size, value) for value in (0, 255))
    of_black, of_white, of_mask = (_by_token(vlm, one, shape) for one in (black, white, mask))
    seen = of_white - of_black
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(seen > 1e-3 * seen.max(), (of_mask - of_black) / seen, 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0).reshape(shape))


def token_box(
    vlm: VisionLanguageModel, image: EncodedImage, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """The part of a picture of `size` (width, height) that its tokens' grid covers: left, top, right and
    bottom as shares of the picture's width and height, from its upper left corner. Within 0 to 1 where the
    processor crops, beyond where it pads.

    The processor is shown two ramps, across and down: how bright a token is tells where its middle lies.

    Raises:
        BadDeclaration: as `patch_coverage`, or fewer than two rows or columns see the picture.
    """
    shape, (width, height) = token_grid(vlm, image), size
    across, down = (
        np.rint((np.arange(length) + 0.5) / length * 255).astype(np.uint8) for length in (width, height)
    )
    black, white, middle, level = (
        _by_token(vlm, picture, shape).reshape(shape)
        for picture in (
            Image.new("L", size, 0),
            Image.new("L", size, 255),
            Image.fromarray(across[None]).resize(size, Image.Resampling.NEAREST),
            Image.fromarray(down[:, None]).resize(size, Image.Resampling.NEAREST),
        )
    )
    seen = white - black
    whole = seen > 0.999 * _contrast(vlm, size)  # tokens with padding in them are less
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    if len(rows) < 2 or len(columns) < 2:
        raise BadDeclaration(f"{vlm.base.name} sees a picture of {width} x {height} pixels by too few tokens")
    x, y = (np.where(whole, (ramp - black) / seen, 0.0) for ramp in (middle, level))
    left, right = _ends(columns, x.sum(axis=0)[columns] / whole.sum(axis=0)[columns], shape[1])
    top, bottom = _ends(rows, y.sum(axis=1)[rows] / whole.sum(axis=1)[rows], shape[0])
    return left, top, right, bottom


def _ends(numbers: npt.NDArray[Any], middles: Floats, count: int) -> tuple[float, float]:
    """Where the first of `count` steps begins and the last one ends, from the middles of some."""
    step, first = np.polyfit(numbers, middles, 1)
    return float(first - step / 2), float(first + step * (count - 0.5))


def _contrast(vlm: VisionLanguageModel, size: tuple[int, int]) -> float:
    """How much brighter a token is of a white picture than of a black one, if it sees nothing else."""
    black, white = (
        np.asarray(_read(vlm, Image.new("L", size, value))["pixel_values"], dtype=np.float64)
        for value in (0, 255)
    )
    brighter = white - black  # by pixel, and by channel where these are apart
    return float(brighter.max(axis=(0, 2, 3)).mean() if brighter.ndim == 4 else brighter.mean(axis=1).max())


def _read(vlm: VisionLanguageModel, picture: Image.Image) -> Any:
    return vlm.image_processor(images=[picture.convert("RGB")], return_tensors="pt")


def _by_token(vlm: VisionLanguageModel, picture: Image.Image, shape: tuple[int, int]) -> Floats:
    """The mean of the pixels that each token is made of, (tokens,)."""
    read = _read(vlm, picture)
    pixels = np.asarray(read["pixel_values"], dtype=np.float64)
    rows, columns = shape
    if "image_grid_thw" in read:  # patches one below the other, those of a token together
        patches, left = divmod(len(pixels), rows * columns)
        if pixels.ndim == 2 and patches and not left:
            return np.asarray(pixels.reshape(rows * columns, -1).mean(axis=1))
    elif pixels.ndim == 4 and len(pixels) == 1:
        height, width = pixels.shape[2:]
        if height % rows == 0 and width % columns == 0:
            parts = pixels[0].reshape(-1, rows, height // rows, columns, width // columns)
            return np.asarray(parts.mean(axis=(0, 2, 4)).ravel())
    raise BadDeclaration(
        f"{vlm.base.name} makes {list(pixels.shape)} values of a picture of {picture.width} x "
        f"{picture.height} pixels for {rows} x {columns} tokens: which pixels a token is of is not known"
    )
