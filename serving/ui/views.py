"""What of a picture is in view: what the page's script says, checked, and the picture of it for the browser.

What is asked about is what is seen: the same view of the same scan goes to the model.
"""

import base64
import io
import math
import threading
from typing import Annotated

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from zoo.errors import BadInput
from zoo.images import Scan, Window

VIEW_PIXELS = 1600
"""Longest side of a picture that is sent to be looked at; the model gets every pixel."""
MOST = 16
"""Pictures of one study."""


class View(BaseModel):
    """One picture of the tray as somebody looks at it; None is as the file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(max_length=64)]
    frame: Annotated[int | None, Field(ge=0, lt=2**31)] = None
    centre: FiniteFloat | None = None
    width: FiniteFloat | None = None
    inverted: bool = False


_VIEWS = TypeAdapter(Annotated[list[View], Field(max_length=MOST)])


def read_views(text: str | None) -> list[View]:
    """The views that the page's script wrote as JSON; none where nothing is chosen.

    Raises:
        BadInput: the script writes no such thing.
    """
    try:
        return _VIEWS.validate_json(text or "[]")
    except ValidationError:
        raise BadInput("the page sends no such view", hint="load the page anew") from None


class Shown:
    """A scan that several threads may look at, one after the other."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self._lock = threading.Lock()

    def show(self, view: View) -> Image.Image:
        """The picture of that view.

        Raises:
            BadImage, BadInput: see `Scan.show`.
        """
        window = None
        if view.centre is not None and view.width is not None:
            window = Window(centre=view.centre, width=view.width)
        with self._lock:
            return self.scan.show(frame=view.frame, window=window, inverted=view.inverted)

    def words(self, view: View) -> str:
        """That view in words, but for which picture it is; nothing of a picture that has one view."""
        frames, parts = self.scan.frames, []
        if frames > 1:
            parts.append(f"frame {(frames // 2 if view.frame is None else view.frame) + 1} of {frames}")
        if view.centre is not None and view.width is not None:
            parts.append(f"W {_short(view.width)} C {_short(view.centre)}")
        elif self.scan.value_range is not None:
            parts.append("window as in the file")
        return ", ".join([*parts, "inverted"] if view.inverted else parts)


def _short(value: float) -> str:
    """A number as the page's sliders say it."""
    whole = abs(value) >= 100 or value == int(value)
    return str(math.floor(value + 0.5)) if whole else f"{value:.3g}"


def png_uri(image: Image.Image, *, longest: int = VIEW_PIXELS) -> str:
    """A PNG of the image, no larger than that, as a data URI for the browser alone."""
    small = image.copy()
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    if small.mode == "RGB":
        red, green, blue = small.split()
        if red.tobytes() == green.tobytes() == blue.tobytes():
            small = red  # a third of the bytes
    out = io.BytesIO()
    small.save(out, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
