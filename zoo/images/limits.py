"""How large an image may be, and the checks that need no more than what its bytes say of themselves."""

from dataclasses import dataclass

from zoo.errors import BadImage, ImageTooLarge

PIL_FORMATS = ("PNG", "JPEG", "JPEG2000")
"""What Pillow is let read."""
READABLE = "give a PNG, JPEG or DICOM file"
_MOST_SCANS = 100
"""Of a JPEG: each passes over all pixels, whatever few bytes it has. Usual are up to ten."""


FIELDS_BYTES = 64 * 1024
"""Room in a request's body for all that is no image."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large an image may be."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 25_000_000
    """Of one frame."""
    max_frames: int = 2000

    def body_bytes(self, images: int) -> int:
        """How long a request's body with so many images may be, in base64 or as they are."""
        return self.max_bytes * 4 // 3 * images + FIELDS_BYTES


def check_bytes(size: int, limits: Limits) -> None:
    """Raise ImageTooLarge if a file of `size` bytes is beyond the limits."""
    if size > limits.max_bytes:
        raise ImageTooLarge(
            f"the image has {size} bytes, the limit is {limits.max_bytes}",
            hint="send a smaller file, such as one slice instead of a series",
        )


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Raise ImageTooLarge if a picture of this size is beyond the limits, BadImage if it has no size."""
    if width < 1 or height < 1:
        raise BadImage(f"the image has {width} x {height} pixels", hint=READABLE)
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"the image has {width} x {height} = {width * height} pixels, the limit is {limits.max_pixels}",
            hint="send it at a lower resolution",
        )


def check_scans(data: bytes) -> None:
    """Refuse a JPEG of far too many scans. What only looks like a scan's marker, in a comment, counts too."""
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _MOST_SCANS:
        raise BadImage(
            f"the JPEG image has more than {_MOST_SCANS} scans, the limit",
            hint="save it as a baseline JPEG or as a PNG",
        )
