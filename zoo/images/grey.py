"""Deep grey values -> an RGB picture of 8 bits a channel, with as few copies as can be."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Grey = npt.NDArray[np.floating[Any]]
"""(rows, columns), changed in place; of up to 16 bits in float32, since scans are large."""


def as_grey(values: npt.NDArray[Any]) -> Grey:
    """A copy that may be changed."""
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def grey_to_rgb(values: Grey) -> Image.Image:
    """(rows, columns) in 0..1 -> RGB; what is outside is clipped."""
    np.nan_to_num(values, copy=False)
    np.clip(values, 0.0, 1.0, out=values)
    values *= 255
    np.rint(values, out=values)
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")
