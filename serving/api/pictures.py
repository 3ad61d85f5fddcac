"""Whatever Python holds a picture in -> the bytes of an image file, which is what is decoded or sent.

One way for all, so that a picture is the same to an engine in this process and to a server. What the bytes
show is `zoo.images`' to say. Writes nothing to disk.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from zoo.errors import BadImage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

Picture: TypeAlias = Union[str, os.PathLike[str], bytes, "Image.Image", "npt.NDArray[np.uint8]"]
"""A path or the bytes of a PNG, JPEG or DICOM file; a PIL image; or 8-bit pixels, (rows, columns) of grey or
(rows, columns, 3) of red, green and blue."""


def file_bytes(pictures: Picture | Sequence[Picture], *, frame: int | None = None) -> tuple[bytes, ...]:
    """Each picture as a file's bytes: PIL images and arrays as PNG, which loses nothing, files as they are.
    If `frame` asks for one frame of a DICOM file, that frame as PNG, and no other element of the file.

    Raises:
        BadImage: a file that cannot be read, or something else than a picture.
    """
    several = pictures if isinstance(pictures, (list, tuple)) else (pictures,)
    found = tuple(_file_bytes(one) for one in several)
    if frame is None:
        return found
    from zoo.images import decode

    return tuple(_png(decode(one, frame=frame)) for one in found)


def _file_bytes(picture: Any) -> bytes:
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (str, os.PathLike)):
        try:
            return Path(picture).read_bytes()
        except OSError as error:
            raise BadImage(
                f"{os.fspath(picture)}: {error.strerror}", hint="give the path of an image"
            ) from None
    import numpy as np
    from PIL import Image

    if isinstance(picture, np.ndarray):
        if (
            picture.dtype != np.uint8
            or not picture.size
            or picture.shape[2:] not in ((), (3,))
            or picture.ndim < 2
        ):
            raise BadImage(
                f"an array of {picture.dtype} in the shape {picture.shape} is no picture",
                hint="give uint8 in (rows, columns) or (rows, columns, 3)",
            )
        picture = Image.fromarray(np.ascontiguousarray(picture))
    if not isinstance(picture, Image.Image):
        raise BadImage(
            f"an object of the type {type(picture).__name__} is no picture",
            hint="give a path, bytes, PIL or numpy image",
        )
    return _png(picture)


def _png(image: "Image.Image") -> bytes:
    out = io.BytesIO()
    try:
        image.save(out, "PNG")
    except OSError:  # a mode that PNG has not, such as CMYK
        image.convert("RGB").save(out, "PNG")
    return out.getvalue()
