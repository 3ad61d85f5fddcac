"""Bytes of a PNG, JPEG or JPEG 2000 picture -> RGB, its size checked from the header before any pixel."""

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.errors import BadImage, ImageTooLarge
from zoo.images.grey import Grey, as_grey, grey_to_rgb
from zoo.images.limits import PIL_FORMATS, READABLE, Limits, check_pixels, check_scans


def decode_picture(data: bytes, limits: Limits) -> Image.Image:
    """See `zoo.images.decode`. Nothing that the file tells beside its pixels comes with them."""
    image = open_header(data, limits)
    try:
        picture = _in_colours(image)
    except Exception as error:  # decoders of strangers' bytes raise nearly anything
        raise BadImage(f"the {image.format} image is broken or cut short", hint=READABLE) from error
    picture.info.clear()  # comments, profiles, EXIF
    return picture


def open_header(data: bytes, limits: Limits) -> Image.Image:
    """The picture with its size known and checked, its pixels not decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=PIL_FORMATS)
    except UnidentifiedImageError:
        raise BadImage("the file is of no kind known here", hint=READABLE) from None
    except Image.DecompressionBombError:
        raise ImageTooLarge(
            f"the image has far more than {limits.max_pixels} pixels, the limit",
            hint="send it at a lower resolution",
        ) from None
    except Exception as error:
        raise BadImage("the image's header is broken", hint=READABLE) from error
    check_pixels(*image.size, limits)
    check_scans(data)
    return image


def _in_colours(image: Image.Image) -> Image.Image:
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return grey_to_rgb(_in_bits_used(np.asarray(image)))
    if image.has_transparency_data:  # hidden colours under transparent pixels must not appear
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    return image.convert("RGB")


def _in_bits_used(values: npt.NDArray[Any]) -> Grey:
    """Deep grey values to 0..1. White is the largest number of as many bits as the values use: 12-bit
    data kept in 16 bits must not come out black."""
    bits = max(8, int(values.max()).bit_length())
    scaled = as_grey(values)
    scaled /= 2**bits - 1
    return scaled
