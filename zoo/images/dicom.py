"""Bytes of a DICOM file -> its frames in RGB, as a viewer would first show them or in a window asked for.

Only the elements that say how to show the pixels are parsed, so names and dates never leave the bytes; an
error tells a kind of fault, never an element's value.
"""

import io
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from zoo.errors import BadImage, BadInput, ImageTooLarge
from zoo.images.grey import grey_to_rgb
from zoo.images.limits import PIL_FORMATS, READABLE, Limits, check_bytes, check_pixels, check_scans
from zoo.images.window import Window, bounds, through_modality, through_window, window_of

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
    SOPClassUID ImageType Modality BurnedInAnnotation
""".split()  # noqa: SIM905
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def is_dicom(data: bytes) -> bool:
    """Whether the bytes begin as a DICOM file; one without the preamble begins with group 0008."""
    return data[128:132] == b"DICM" or data[:2] == b"\x08\x00"


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn whatever a broken file makes pydicom do into a BadImage that quotes nothing of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings quote the values of elements
            yield
    except BadInput:
        raise
    except Exception as error:  # from None: pydicom's messages quote the values of elements
        kind = type(error).__name__
        raise BadImage(f"the DICOM file is broken or cut short ({kind})", hint=READABLE) from None


class DicomFile:
    """The frames of a file whose header was read and found within limits; their pixels are decoded when they
    are asked for, and those of the last frame kept, so that another window costs little.

    Safe to use from several threads. Call it within `told_plainly`.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.dataset = _read_dicom(data, limits)
        self.dataset.buffer = None  # the whole file, with all that was not asked for
        if not any(key in self.dataset for key in PIXELS):
            raise BadImage("the DICOM file holds no image", hint="give the file of an image, not of a report")
        self.rows, self.columns = int(self.dataset.Rows), int(self.dataset.Columns)
        check_pixels(self.columns, self.rows, limits)
        self.frames = int(self.dataset.get("NumberOfFrames") or 1)
        if self.frames > limits.max_frames:
            raise ImageTooLarge(
                f"the DICOM file has {self.frames} frames, the limit is {limits.max_frames}",
                hint="send fewer of them",
            )
        self.photometric = str(self.dataset.PhotometricInterpretation)
        self._limits = limits
        self._lock = threading.Lock()
        self._last: tuple[int, npt.NDArray[Any]] | None = None

    def stored(self, index: int) -> npt.NDArray[Any]:
        """The stored values of a frame, not to be written to: (rows, columns), of a colour picture
        (rows, columns, 3) in RGB."""
        with self._lock:
            if self._last is None or self._last[0] != index:
                self._last = (index, self._decoded(index))
            return self._last[1]

    def show(self, frame: int | None, window: Window | None = None) -> Image.Image:
        """A frame in RGB, the middle one by default: through modality LUT, VOI LUT or window, and the right
        photometric sense."""
        index = self.index(frame)
        stored = self.stored(index)
        if self.is_colour(stored):
            if window is not None:
                raise BadInput("a colour picture has no window", hint="ask for it without one")
            return self._colours(stored)
        told = self._told(index)
        shown = through_window(told, through_modality(told, stored), stored, window)
        if self.photometric == "MONOCHROME1":
            np.subtract(1, shown, out=shown)
        return grey_to_rgb(shown)

    def window(self) -> Window | None:
        """The window in which the middle frame is first shown, if it is one."""
        return window_of(self._told(self.index(None)))

    def value_range(self) -> tuple[float, float] | None:
        """Least and greatest value of the middle frame that is no padding, after the modality LUT; None for
        colours, and where all values are the same."""
        index = self.index(None)
        stored = self.stored(index)
        if self.is_colour(stored):
            return None
        told = self._told(index)
        low, high = bounds(told, through_modality(told, stored), stored)
        return (float(low), float(high)) if low < high else None

    def index(self, frame: int | None) -> int:
        """The number of a frame asked for; BadImage if there is none."""
        index = self.frames // 2 if frame is None else frame
        if not 0 <= index < self.frames:
            raise BadImage(f"there is no frame {index}", hint=f"give a frame from 0 to {self.frames - 1}")
        return index

    def is_colour(self, stored: npt.NDArray[Any]) -> bool:
        """Whether stored values stand for colours."""
        return stored.ndim == 3 or self.photometric == "PALETTE COLOR"

    def _colours(self, stored: npt.NDArray[Any]) -> Image.Image:
        from pydicom.pixels.processing import apply_color_lut

        if self.photometric == "PALETTE COLOR":
            colours = apply_color_lut(stored, self.dataset)
            return Image.fromarray((colours >> (8 * (colours.itemsize - 1))).astype(np.uint8))
        return Image.fromarray((stored >> max(0, int(self.dataset.BitsStored) - 8)).astype(np.uint8))

    def _decoded(self, index: int) -> npt.NDArray[Any]:
        from pydicom.pixels.utils import pixel_array

        self._check_codestream(index)
        try:
            return self._without_spare_bits(pixel_array(self.dataset, index=index))  # YBR comes out as RGB
        except RuntimeError:
            name = self.dataset.file_meta.TransferSyntaxUID.name
            raise BadImage(
                f"the pixels are broken, or their compression cannot be read here: {name}",
                hint="export the image uncompressed or as JPEG 2000",
            ) from None

    def _without_spare_bits(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bits above those of the value are no part of it; old files keep overlays there, text among it."""
        spare = pixels.itemsize * 8 - int(self.dataset.get("BitsStored") or 0)
        usual = self.dataset.get("HighBit") == self.dataset.get("BitsStored", 0) - 1
        if pixels.dtype.kind not in "iu" or pixels.ndim == 3 or not usual or spare <= 0:
            return pixels
        return (pixels << spare) >> spare  # signed values keep their sign

    def _check_codestream(self, index: int) -> None:
        """A compressed frame states its own size, which need not be that of the DICOM header."""
        if not self.dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            return
        codestream = self.codestream(index)
        try:
            stated = Image.open(io.BytesIO(codestream), formats=PIL_FORMATS)
        except UnidentifiedImageError:
            return  # RLE and the like, which fill the header's rows and columns
        except Image.DecompressionBombError:
            raise ImageTooLarge(
                f"a frame has far more than {self._limits.max_pixels} pixels, the limit"
            ) from None
        check_pixels(*stated.size, self._limits)
        check_scans(codestream)

    def codestream(self, index: int) -> bytes:
        """The bytes of a compressed frame."""
        from pydicom.encaps import get_frame

        return get_frame(self.dataset.PixelData, index, number_of_frames=self.frames)

    def _told(self, index: int) -> Any:
        """What the file says of how a frame is shown. Enhanced multi-frame files keep window and rescale per
        frame; this frame's are lifted to the top."""
        import pydicom

        told = pydicom.Dataset()
        told.file_meta = self.dataset.file_meta  # says how the tables' numbers are written
        told.update({element.tag: element for element in self.dataset})
        shared = self.dataset.get("SharedFunctionalGroupsSequence") or []
        frames = self.dataset.get("PerFrameFunctionalGroupsSequence") or []
        for group in (*shared[:1], *frames[index : index + 1]):
            for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                for item in (group.get(name) or [])[:1]:
                    told.update({element.tag: element for element in item})
        return told


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
