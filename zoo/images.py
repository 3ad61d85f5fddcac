"""Bytes of a PNG, JPEG, JPEG 2000 or DICOM file -> an RGB picture, within limits.

Sizes are checked from the headers, before any pixel is decoded. Of a DICOM file only the elements that
say how to show its pixels are parsed, so names and dates never leave the bytes; an error tells a kind
of fault, never an element's value. Knows nothing of models, of HTTP, or of where a picture came from.
"""

import base64
import binascii
import io
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.errors import BadImage, ImageTooLarge

MEDIA_TYPES = ("image/png", "image/jpeg", "image/jp2", "application/dicom")
"""What a data URI may say that it is. The bytes decide what it is."""

_PIL_FORMATS = ("PNG", "JPEG", "JPEG2000")
_READABLE = "give a PNG, JPEG or DICOM file"
_MOST_SCANS = 100
"""Of a JPEG: each passes over all pixels, whatever few bytes it has. Usual are up to ten."""
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

Grey = npt.NDArray[np.floating[Any]]
"""(rows, columns), changed in place; of up to 16 bits in float32, since scans are large."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large an image may be."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 25_000_000
    """Of one frame."""
    max_frames: int = 2000


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
        raise BadImage("the image is empty: 0 bytes", hint=_READABLE)
    # Files written without the DICOM preamble begin with group 0008.
    if data[128:132] == b"DICM" or data[:2] == b"\x08\x00":
        return _decode_dicom(data, limits, frame)
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


def check_bytes(size: int, limits: Limits) -> None:
    """Raise ImageTooLarge if a file of `size` bytes is beyond the limits."""
    if size > limits.max_bytes:
        raise ImageTooLarge(
            f"the image has {size} bytes, the limit is {limits.max_bytes}",
            hint="send a smaller file, such as one slice instead of a series",
        )


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise BadImage(f"the image has {width} x {height} pixels", hint=_READABLE)
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"the image has {width} x {height} = {width * height} pixels, the limit is {limits.max_pixels}",
            hint="send it at a lower resolution",
        )


def _decode_picture(data: bytes, limits: Limits) -> Image.Image:
    image = _open_header(data, limits)
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I") or image.mode == "F":
            return _grey_to_rgb(_in_bits_used(np.asarray(image)))
        if image.has_transparency_data:  # hidden colours under transparent pixels must not appear
            rgba = image.convert("RGBA")
            black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
            return Image.alpha_composite(black, rgba).convert("RGB")
        return image.convert("RGB")
    except Exception as error:  # decoders of strangers' bytes raise nearly anything
        raise BadImage(f"the {image.format} image is broken or cut short", hint=_READABLE) from error


def _open_header(data: bytes, limits: Limits) -> Image.Image:
    """The picture with its size known and checked, its pixels not decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_PIL_FORMATS)
    except UnidentifiedImageError:
        raise BadImage("the file is of no kind known here", hint=_READABLE) from None
    except Image.DecompressionBombError:
        raise ImageTooLarge(
            f"the image has far more than {limits.max_pixels} pixels, the limit",
            hint="send it at a lower resolution",
        ) from None
    except Exception as error:
        raise BadImage("the image's header is broken", hint=_READABLE) from error
    _check_pixels(*image.size, limits)
    _check_scans(data)
    return image


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG of far too many scans. What only looks like a scan's marker, in a comment, counts too."""
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _MOST_SCANS:
        raise BadImage(
            f"the JPEG image has more than {_MOST_SCANS} scans, the limit",
            hint="save it as a baseline JPEG or as a PNG",
        )


def _in_bits_used(values: npt.NDArray[Any]) -> Grey:
    """Deep grey values to 0..1. White is the largest number of as many bits as the values use: 12-bit
    data kept in 16 bits must not come out black."""
    bits = max(8, int(values.max()).bit_length())
    scaled = _as_grey(values)
    scaled /= 2**bits - 1
    return scaled


def _as_grey(values: npt.NDArray[Any]) -> Grey:
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def _grey_to_rgb(values: Grey) -> Image.Image:
    """(rows, columns) in 0..1 -> RGB; what is outside is clipped."""
    np.nan_to_num(values, copy=False)
    np.clip(values, 0.0, 1.0, out=values)
    values *= 255
    np.rint(values, out=values)
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _decode_dicom(data: bytes, limits: Limits, frame: int | None) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings quote the values of elements
            dataset = _read_dicom(data, limits)
            return _show_dicom(dataset, limits, frame)
    except BadImage:
        raise
    except Exception as error:  # from None: pydicom's messages quote the values of elements
        kind = type(error).__name__
        raise BadImage(f"the DICOM file is broken or cut short ({kind})", hint=_READABLE) from None


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
        raise BadImage("the deflated DICOM file is cut short", hint=_READABLE)
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
    _check_pixels(columns, rows, limits)
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
    return _grey_to_rgb(shown)


def _check_codestream(dataset: Any, limits: Limits, index: int, frames: int) -> None:
    """A compressed frame states its own size, which need not be that of the DICOM header."""
    from pydicom.encaps import get_frame

    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    codestream = get_frame(dataset.PixelData, index, number_of_frames=frames)
    try:
        stated = Image.open(io.BytesIO(codestream), formats=_PIL_FORMATS)
    except UnidentifiedImageError:
        return  # RLE and the like, which fill the header's rows and columns
    except Image.DecompressionBombError:
        raise ImageTooLarge(f"a frame has far more than {limits.max_pixels} pixels, the limit") from None
    _check_pixels(*stated.size, limits)
    _check_scans(codestream)


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
    grey = _as_grey(stored)
    grey *= slope
    grey += intercept
    return grey


def _through_window(dataset: Any, values: npt.NDArray[Any], stored: npt.NDArray[Any]) -> Grey:
    """Values after the modality LUT -> 0..1 by the first VOI LUT or window (DICOM PS3.3 C.11.2), else
    by the range of the values that are no padding."""
    from pydicom.pixels.processing import apply_voi

    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        shown = _as_grey(apply_voi(values, dataset))
        shown /= 2**bits - 1
        return shown
    fresh = values.dtype.kind == "f" and values is not stored  # what was stored cannot be written to
    grey: Grey = values if fresh else _as_grey(values)
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
