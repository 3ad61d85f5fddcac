"""Bytes of a PNG, JPEG, JPEG 2000 or DICOM file -> an RGB picture, within limits.

Sizes are checked from the headers, before any pixel is decoded. Knows nothing of models, of HTTP, or of
where a picture came from.
"""

import base64
import binascii
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.errors import BadImage, ImageTooLarge
from zoo.images.dicom import decode_dicom
from zoo.images.grey import Grey, as_grey, grey_to_rgb
from zoo.images.limits import FIELDS_BYTES as FIELDS_BYTES
from zoo.images.limits import PIL_FORMATS, READABLE, check_pixels, check_scans
from zoo.images.limits import Limits as Limits
from zoo.images.limits import check_bytes as check_bytes

MEDIA_TYPES = ("image/png", "image/jpeg", "image/jp2", "application/dicom")
"""What a data URI may say that it is. The bytes decide what it is."""


def decode(data: bytes, *, limits: Limits | None = None, frame: int | None = None) -> Image.Image:
    """The image in `data`, in RGB, upright, 8 bits a channel.

    `frame` picks a frame of a multi-frame DICOM file, counted from 0; the default is the middle one.

    Raises:
        ImageTooLarge: more bytes, pixels or frames than `limits` allow; found before decoding.
        BadImage: empty, truncated, broken, of an unknown kind, or without that frame.
    """
    limits = limits or Limits()
    check_bytes(len(data), limits)
    if not data:
        raise BadImage("the image is empty: 0 bytes", hint=READABLE)
    # Files written without the DICOM preamble begin with group 0008.
    if data[128:132] == b"DICM" or data[:2] == b"\x08\x00":
        return decode_dicom(data, limits, frame)
    return _decode_picture(data, limits)


def open_image(path: Path, *, limits: Limits | None = None, frame: int | None = None) -> Image.Image:
    """The image in a file; see `decode`."""
    if not path.is_file():
        raise BadImage(f"no such file: {path}")
    check_bytes(path.stat().st_size, limits or Limits())
    return decode(path.read_bytes(), limits=limits, frame=frame)


def data_uri_bytes(uri: str, *, limits: Limits | None = None) -> bytes:
    """The bytes of a `data:image/png;base64,...` URI; the media types are those of `MEDIA_TYPES`.

    Raises:
        ImageTooLarge: more bytes than `limits` allow; found before decoding.
        BadImage: no data URI, not base64, or of another media type.
    """
    head, comma, body = uri.partition(",")
    hint = "write it as data:image/png;base64,... or data:application/dicom;base64,..."
    if not comma or not head.lower().startswith("data:"):
        raise BadImage("the image is no data URI", hint=hint)
    media_type, *parameters = head[len("data:") :].lower().split(";")
    if media_type not in MEDIA_TYPES:
        raise BadImage(
            f"the media type {media_type[:40]!r} is not one of {', '.join(MEDIA_TYPES)}", hint=hint
        )
    if "base64" not in parameters:
        raise BadImage("the data URI is not in base64", hint=hint)
    check_bytes(len(body) * 3 // 4 - 2, limits or Limits())
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadImage("the base64 text of the data URI is broken", hint=hint) from None


def _decode_picture(data: bytes, limits: Limits) -> Image.Image:
    image = _open_header(data, limits)
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I") or image.mode == "F":
            return grey_to_rgb(_in_bits_used(np.asarray(image)))
        if image.has_transparency_data:  # hidden colours under transparent pixels must not appear
            rgba = image.convert("RGBA")
            black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
            return Image.alpha_composite(black, rgba).convert("RGB")
        return image.convert("RGB")
    except Exception as error:  # decoders of strangers' bytes raise nearly anything
        raise BadImage(f"the {image.format} image is broken or cut short", hint=READABLE) from error


def _open_header(data: bytes, limits: Limits) -> Image.Image:
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


def _in_bits_used(values: npt.NDArray[Any]) -> Grey:
    """Deep grey values to 0..1. White is the largest number of as many bits as the values use: 12-bit
    data kept in 16 bits must not come out black."""
    bits = max(8, int(values.max()).bit_length())
    scaled = as_grey(values)
    scaled /= 2**bits - 1
    return scaled
