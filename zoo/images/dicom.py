"""Bytes of a DICOM file -> one frame in RGB, as a viewer would first show it.

Only the elements that say how to show the pixels are parsed, so names and dates never leave the bytes; an
error tells a kind of fault, never an element's value.
"""

import io
import warnings
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from zoo.errors import BadImage, ImageTooLarge
from zoo.images.grey import Grey, as_grey, grey_to_rgb
from zoo.images.limits import PIL_FORMATS, READABLE, Limits, check_bytes, check_pixels, check_scans

_PIXEL_TAGS = """
    SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns BitsAllocated
    BitsStored HighBit PixelRepresentation PixelPaddingValue WindowCenter WindowWidth VOILUTFunction
    VOILUTSequence RescaleSlope RescaleIntercept ModalityLUTSequence RedPaletteColorLookupTableDescriptor
    GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
    RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
    SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
    SegmentedBluePaletteColorLookupTableData SharedFunctionalGroupsSequence
    PerFrameFunctionalGroupsSequence
    PixelData FloatPixelData DoubleFloatPixelData
""".split()  # noqa: SIM905


def decode_dicom(data: bytes, limits: Limits, frame: int | None) -> Image.Image:
    """See `zoo.images.decode`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings quote the values of elements
            dataset = _read_dicom(data, limits)
            return _show_dicom(dataset, limits, frame)
    except BadImage:
        raise
    except Exception as error:  # from None: pydicom's messages quote the values of elements
        kind = type(error).__name__
        raise BadImage(f"the DICOM file is broken or cut short ({kind})", hint=READABLE) from None


def _read_dicom(data: bytes, limits: Limits) -> Any:
    """The elements that are needed. pydicom inflates without a bound, so it never gets to: whether a file is
    deflated is read by pydicom's own code, since what the file says of its parts may be untrue."""
    import pydicom
    from pydicom import filereader

    stream, tags = io.BytesIO(data), list(_PIXEL_TAGS)
    preamble = filereader.read_preamble(stream, force=True)
    meta = filereader._read_file_meta_info(stream)
    if meta.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
        return pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=tags)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflate.decompress(stream.read(), limits.max_bytes + 1)
    check_bytes(len(plain), limits)
    if not inflate.eof:
        raise BadImage("the deflated DICOM file is cut short", hint=READABLE)
    numbers: list[Any] = [pydicom.tag.Tag(tag) for tag in tags]
    dataset = filereader.read_dataset(io.BytesIO(plain), False, True, specific_tags=numbers)
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    return pydicom.FileDataset(io.BytesIO(plain), dataset, preamble, meta, False, True)


def _show_dicom(dataset: Any, limits: Limits, frame: int | None) -> Image.Image:
    """One frame as a viewer would first show it: modality LUT, VOI LUT or window, photometric sense."""
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    if not any(key in dataset for key in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise BadImage("the DICOM file holds no image", hint="give the file of an image, not of a report")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    check_pixels(columns, rows, limits)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > limits.max_frames:
        raise ImageTooLarge(
            f"the DICOM file has {frames} frames, the limit is {limits.max_frames}", hint="send fewer of them"
        )
    index = frames // 2 if frame is None else frame
    if not 0 <= index < frames:
        raise BadImage(f"there is no frame {index}", hint=f"give a frame from 0 to {frames - 1}")
    _check_codestream(dataset, limits, index, frames)
    try:
        pixels = pixel_array(dataset, index=index)  # YBR comes out as RGB
    except RuntimeError:
        name = dataset.file_meta.TransferSyntaxUID.name
        raise BadImage(
            f"the pixels are broken, or their compression cannot be read here: {name}",
            hint="export the image uncompressed or as JPEG 2000",
        ) from None
    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(pixels, dataset)
        return Image.fromarray((colours >> (8 * (colours.itemsize - 1))).astype(np.uint8))
    if pixels.ndim == 3:
        return Image.fromarray((pixels >> max(0, int(dataset.BitsStored) - 8)).astype(np.uint8))
    _lift_functional_groups(dataset, index)
    shown = _through_window(dataset, _through_modality(dataset, pixels), pixels)
    if photometric == "MONOCHROME1":
        np.subtract(1, shown, out=shown)
    return grey_to_rgb(shown)


def _check_codestream(dataset: Any, limits: Limits, index: int, frames: int) -> None:
    """A compressed frame states its own size, which need not be that of the DICOM header."""
    from pydicom.encaps import get_frame

    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    codestream = get_frame(dataset.PixelData, index, number_of_frames=frames)
    try:
        stated = Image.open(io.BytesIO(codestream), formats=PIL_FORMATS)
    except UnidentifiedImageError:
        return  # RLE and the like, which fill the header's rows and columns
    except Image.DecompressionBombError:
        raise ImageTooLarge(f"a frame has far more than {limits.max_pixels} pixels, the limit") from None
    check_pixels(*stated.size, limits)
    check_scans(codestream)


def _lift_functional_groups(dataset: Any, index: int) -> None:
    """Enhanced multi-frame files keep window and rescale per frame; lift this frame's to the top."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*shared[:1], *frames[index : index + 1]):
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in (group.get(name) or [])[:1]:
                dataset.update({element.tag: element for element in item})


def _through_modality(dataset: Any, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stored values -> values with a meaning, such as Hounsfield units (DICOM PS3.3 C.11.1)."""
    from pydicom.pixels.processing import apply_modality_lut

    if dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(stored, dataset)
    slope, intercept = _first(dataset, "RescaleSlope"), _first(dataset, "RescaleIntercept")
    if slope is None or intercept is None:
        return stored
    grey = as_grey(stored)
    grey *= slope
    grey += intercept
    return grey


def _through_window(dataset: Any, values: npt.NDArray[Any], stored: npt.NDArray[Any]) -> Grey:
    """Values after the modality LUT -> 0..1 by the first VOI LUT or window (DICOM PS3.3 C.11.2), else
    by the range of the values that are no padding."""
    from pydicom.pixels.processing import apply_voi

    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        shown = as_grey(apply_voi(values, dataset))
        shown /= 2**bits - 1
        return shown
    fresh = values.dtype.kind == "f" and values is not stored  # what was stored cannot be written to
    grey: Grey = values if fresh else as_grey(values)
    centre, width = _first(dataset, "WindowCenter"), _first(dataset, "WindowWidth")
    if centre is None or width is None or width < 1:
        real = grey[stored != dataset.PixelPaddingValue] if "PixelPaddingValue" in dataset else grey
        low, high = (real.min(), real.max()) if real.size else (0.0, 1.0)
        grey -= low
        grey /= max(high - low, 1e-9)
        return grey
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID":
        grey -= centre
        grey *= -4 / width
        np.clip(grey, -80, 80, out=grey)  # where it is 0 or 1 in eight bits long since
        return 1 / (1 + np.exp(grey, out=grey))
    exact = function == "LINEAR_EXACT"
    grey -= centre if exact else centre - 0.5
    grey /= width if exact else max(width - 1, 1e-9)
    grey += 0.5
    return grey


def _first(dataset: Any, name: str) -> float | None:
    value = dataset.get(name)
    if value is None or value == "":
        return None
    return float(value if isinstance(value, (int, float)) else value[0])
