"""Images between choosing and asking: in memory, bounded, each for a few minutes, behind a random key.

Gradio keeps a component's value for as long as it keeps the session; so the page's components hold only
the key, and the pixels stay here. Nothing is written to disk.
"""

import base64
import io
import secrets
import threading
import time
from collections.abc import Callable

from PIL import Image

from serving.core.cache import ExpiringCache
from zoo.errors import BadInput

PREVIEW_PIXELS = 640
"""Longest side of a preview."""


class Tray:
    """At most `max_bytes` of decoded images; the one used longest ago goes first."""

    def __init__(
        self,
        *,
        max_bytes: int = 512 * 1024 * 1024,
        ttl_s: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._images: ExpiringCache[Image.Image] = ExpiringCache(max_bytes=max_bytes, ttl_s=ttl_s)
        self._clock = clock
        self._lock = threading.Lock()

    def put(self, image: Image.Image) -> str:
        """Keep an image; the key that gets it back."""
        key = secrets.token_urlsafe(18)
        size = image.width * image.height * len(image.getbands())
        with self._lock:
            self._images.put(key, image, size=size, now=self._clock())
        return key

    def get(self, key: str | None) -> Image.Image:
        """The image of that key.

        Raises:
            BadInput: no image was chosen, or its time is over.
        """
        if not key:
            raise BadInput("no image is chosen", hint="choose a PNG, JPEG or DICOM file, or an example")
        with self._lock:
            image = self._images.get(key, now=self._clock())
        if image is None:
            raise BadInput("the image is no longer kept in memory", hint="choose it again")
        return image

    def expire(self) -> None:
        """Let go of what is over time."""
        with self._lock:
            self._images.expire(now=self._clock())


def preview(image: Image.Image, *, longest: int = PREVIEW_PIXELS) -> str:
    """A small PNG of the image as a data URI, for the browser alone."""
    small = image.copy()
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
