"""One file as somebody looks at it: its frames, its window, and what its header says of text in the pixels.

Holds nothing of the file that showing does not need; knows no models and no pages.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image, ImageOps

from zoo.errors import BadImage, BadInput
from zoo.images.dicom import PIXELS, DicomFile, told_plainly
from zoo.images.limits import Limits
from zoo.images.picture import decode_picture
from zoo.images.window import Window

BurnedIn = Literal["yes", "no", "unknown"]

MODALITIES = frozenset(
    """BI BMD CR CT DG DX ES GM IO IVOCT IVUS LS MG MR NM OAM OCT OP OPM OPT OPTENF PT PX RF RG RTDOSE
    RTIMAGE SEG SM TG US XA XC""".split()  # noqa: SIM905
)
"""What DICOM calls the modalities that make pictures (PS3.3 C.7.3.1.1.1); any other is `OT`, which is
DICOM's own word for other, so that no file can put words of its own here."""
_MEASURED = ("CT", "MR", "PT")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """A picture or a DICOM file that was opened; its middle frame could be read."""

    frames: int
    width: int
    height: int
    """Of each frame, in pixels."""
    modality: str
    """One of `MODALITIES` or `OT`; empty for a PNG or JPEG."""
    burned_in: BurnedIn
    """Whether the pixels themselves show who the patient is."""
    window: Window | None
    """In which the middle frame is first shown; None where that is its range, a table, or in colours."""
    value_range: tuple[float, float] | None
    """Least and greatest value of the middle frame after the modality LUT, in its units; None if there is
    nothing to window: colours, or all values the same."""
    size_bytes: int
    """Most that it keeps in memory."""
    draw: Callable[[int | None, Window | None], Image.Image] = field(repr=False)

    def show(
        self, *, frame: int | None = None, window: Window | None = None, inverted: bool = False
    ) -> Image.Image:
        """A frame in RGB. By default the middle one, counted from 0, as the file asks to be shown.

        Raises:
            BadImage: there is no such frame, or its pixels are broken.
            BadInput: a window is asked of what has none.
        """
        shown = self.draw(frame, window)
        return ImageOps.invert(shown) if inverted else shown


def open_picture(data: bytes, limits: Limits) -> Scan:
    """A PNG or JPEG; see `zoo.images.open_scan`."""
    picture = decode_picture(data, limits)

    def draw(frame: int | None, window: Window | None) -> Image.Image:
        if frame:
            raise BadImage(f"there is no frame {frame}", hint="a PNG or JPEG has frame 0 alone")
        if window is not None:
            raise BadInput("a PNG or JPEG has no window", hint="ask for it without one, or send DICOM")
        return picture.copy()

    return Scan(
        frames=1,
        width=picture.width,
        height=picture.height,
        modality="",
        burned_in="unknown",
        window=None,
        value_range=None,
        size_bytes=3 * picture.width * picture.height,
        draw=draw,
    )


def open_dicom(data: bytes, limits: Limits) -> Scan:
    """A DICOM file; see `zoo.images.open_scan`."""
    with told_plainly():
        file = DicomFile(data, limits)

        def draw(frame: int | None, window: Window | None) -> Image.Image:
            with told_plainly():
                return file.show(frame, window)

        value_range = file.value_range()
        return Scan(
            frames=file.frames,
            width=file.columns,
            height=file.rows,
            modality=modality_of(file.dataset),
            burned_in=burned_in(file.dataset),
            window=file.window() if value_range else None,
            value_range=value_range,
            size_bytes=file.stored(file.index(None)).nbytes
            + sum(len(file.dataset[name].value) for name in PIXELS if name in file.dataset),
            draw=draw,
        )


def modality_of(dataset: Any) -> str:
    """One of `MODALITIES`, or `OT`."""
    modality = str(dataset.get("Modality") or "").strip()
    return modality if modality in MODALITIES else "OT"


def burned_in(dataset: Any) -> BurnedIn:
    """Whether the pixels show who the patient is, by what the file says.

    Without the element they may or may not (DICOM PS3.3 C.7.6.1). Only what a scanner measured, and nobody
    drew into since, is taken to be free of text: in the enhanced CT and MR objects (C.8.13, C.8.15) the
    standard forbids text in original images, and where values are measurements it would have nowhere to come
    from. Radiographs may show a name plate, ultrasound and captured screens usually show names.
    """
    said = str(dataset.get("BurnedInAnnotation") or "").strip().upper()
    if said in ("YES", "NO"):
        return "yes" if said == "YES" else "no"
    kind = [str(part).strip() for part in dataset.get("ImageType") or []]
    captured = str(dataset.get("SOPClassUID") or "").startswith(_SECONDARY_CAPTURE)
    measured = kind[:2] == ["ORIGINAL", "PRIMARY"] and modality_of(dataset) in _MEASURED
    return "no" if measured and not captured else "unknown"
