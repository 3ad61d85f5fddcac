"""Stored values of a grey DICOM frame -> 0..1: modality LUT, then VOI LUT, window or range.

`told` is the part of a data set that says how a frame is shown. Knows no files and no compression.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import BadInput
from zoo.images.grey import Grey, as_grey


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which values are shown from black to white, in the values' own units (Hounsfield units in CT)."""

    centre: float
    width: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.centre) and math.isfinite(self.width) and self.width > 0):
            raise BadInput(
                f"a window of centre {self.centre:g} and width {self.width:g} shows nothing",
                hint="give finite numbers and a width above 0, such as centre 40 and width 400",
            )


def window_of(told: Any) -> Window | None:
    """The window that the file asks for; None where it asks for a table, or for none."""
    centre, width = _first(told, "WindowCenter"), _first(told, "WindowWidth")
    if told.get("VOILUTSequence") or centre is None or width is None or width < 1:
        return None
    return Window(centre=centre, width=width)


def through_modality(told: Any, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stored values -> values with a meaning, such as Hounsfield units (DICOM PS3.3 C.11.1)."""
    from pydicom.pixels.processing import apply_modality_lut

    if told.get("ModalityLUTSequence"):
        return apply_modality_lut(stored, told)
    slope, intercept = _first(told, "RescaleSlope"), _first(told, "RescaleIntercept")
    if slope is None or intercept is None:
        return stored
    grey = as_grey(stored)
    grey *= slope
    grey += intercept
    return grey


def through_window(
    told: Any, values: npt.NDArray[Any], stored: npt.NDArray[Any], window: Window | None
) -> Grey:
    """Values after the modality LUT -> 0..1 by the window given, else by the file's first VOI LUT or window
    (DICOM PS3.3 C.11.2), else by the range of the values that are no padding."""
    from pydicom.pixels.processing import apply_voi

    if window is None and told.get("VOILUTSequence"):
        bits = int(told.VOILUTSequence[0].LUTDescriptor[2])
        shown = as_grey(apply_voi(values, told))
        shown /= 2**bits - 1
        return shown
    window = window or window_of(told)
    fresh = values.dtype.kind == "f" and values is not stored  # what was stored cannot be written to
    grey: Grey = values if fresh else as_grey(values)
    if window is None:
        low, high = bounds(told, grey, stored)
        grey -= low
        grey /= max(high - low, 1e-9)
        return grey
    centre, width = window.centre, window.width
    function = str(told.get("VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID":
        grey -= centre
        grey *= -4 / width
        np.clip(grey, -80, 80, out=grey)  # where it is 0 or 1 in eight bits long since
        return 1 / (1 + np.exp(grey, out=grey))
    exact = function == "LINEAR_EXACT" or width < 1  # LINEAR counts whole values
    grey -= centre if exact else centre - 0.5
    grey /= width if exact else max(width - 1, 1e-9)
    grey += 0.5
    return grey


def bounds(told: Any, values: npt.NDArray[Any], stored: npt.NDArray[Any]) -> tuple[float, float]:
    """Least and greatest of the values that are no padding; 0 and 1 where all is padding."""
    real = values[stored != told.PixelPaddingValue] if "PixelPaddingValue" in told else values
    return (real.min(), real.max()) if real.size else (0.0, 1.0)


def _first(told: Any, name: str) -> float | None:
    value = told.get(name)
    if value is None or value == "":
        return None
    return float(value if isinstance(value, (int, float)) else value[0])
