"""Bytes of a PNG, JPEG, JPEG 2000 or DICOM file -> an RGB picture, within limits.

Sizes are checked from the headers, before any pixel is decoded. Knows nothing of models, of HTTP, or of
where a picture came from.
"""

import base64
import binascii
from pathlib import Path

from PIL import Image

from zoo.errors import BadImage
from zoo.images.dicom import DicomFile, is_dicom, told_plainly
from zoo.images.limits import FIELDS_BYTES as FIELDS_BYTES
from zoo.images.limits import READABLE
from zoo.images.limits import Limits as Limits
from zoo.images.limits import check_bytes as check_bytes
from zoo.images.picture import decode_picture
from zoo.images.scan import Scan as Scan
from zoo.images.scan import open_dicom, open_picture
from zoo.images.strip import strip_dicom, strip_picture
from zoo.images.window import Window as Window

MEDIA_TYPES = ("image/png", "image/jpeg", "image/jp2", "application/dicom")
"""What a data URI may say that it is. The bytes decide what it is."""


def decode(data: bytes, *, limits: Limits | None = None, frame: int | None = None) -> Image.Image:
    """The image in `data`, in RGB, upright, 8 bits a channel.

    `frame` picks a frame of a multi-frame DICOM file, counted from 0; the default is the middle one.

    Raises:
        ImageTooLarge: more bytes, pixels or frames than `limits` allow; found before decoding.
        BadImage: empty, truncated, broken, of an unknown kind, or without that frame.
    """
    limits = _checked(data, limits)
    if is_dicom(data):
        with told_plainly():
            return DicomFile(data, limits).show(frame)
    return decode_picture(data, limits)


def open_scan(data: bytes, *, limits: Limits | None = None) -> Scan:
    """The file in `data` for somebody to look at, frame by frame and in any window; its first view is what
    `decode` gives. Nothing of the file is kept but what showing needs.

    Raises:
        ImageTooLarge, BadImage: see `decode`; of a file with many frames the middle one is tried.
    """
    limits = _checked(data, limits)
    return open_dicom(data, limits) if is_dicom(data) else open_picture(data, limits)


def strip(data: bytes, *, limits: Limits | None = None) -> bytes:
    """The same pictures in a file that tells nothing else: `open_scan` shows both alike in every view. What
    is drawn into the pixels stays.

    Returns:
        DICOM of DICOM, with its modality and whether text is burned in; JPEG of JPEG, PNG of the rest.

    Raises:
        ImageTooLarge, BadImage: see `decode`; also if the file would be longer than the limits allow.
    """
    limits = _checked(data, limits)
    return strip_dicom(data, limits) if is_dicom(data) else strip_picture(data, limits)


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


def _checked(data: bytes, limits: Limits | None) -> Limits:
    limits = limits or Limits()
    check_bytes(len(data), limits)
    if not data:
        raise BadImage("the image is empty: 0 bytes", hint=READABLE)
    return limits
