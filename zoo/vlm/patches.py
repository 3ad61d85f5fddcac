"""How much of each image token's part of a picture lies inside a mask, whatever the processor does to it.

The processor itself is asked: it is shown the mask, an all-black and an all-white picture of the same size.
One that crops, pads, resizes and normalises does nothing but weigh pixels and add constants, so what the mask
changed against black, over what white changed, is the share of the mask. Knows no data set.
"""

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


def _by_token(vlm: VisionLanguageModel, picture: Image.Image, shape: tuple[int, int]) -> Floats:
    """The mean of the pixels that each token is made of, (tokens,)."""
    read = vlm.image_processor(images=[picture.convert("RGB")], return_tensors="pt")
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
