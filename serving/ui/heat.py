"""Where the answers of a comparison looked: asked of the engine once and only on demand, drawn in colours
whose lightness alone tells much from little, so that colour-blind eyes read them too. Nothing of it
is kept on disk.
"""

import threading
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.core.requests import Answering, Heat, HeatMap
from serving.service import Asked, Service
from serving.ui.views import png_uri
from zoo.errors import BadInput

COLOURS = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")
"""From little to much; the scale in `compare.css` shows the same."""
LEAST_OPAQUE = 0.25
"""What is looked at least lets most of the picture through."""
SHOWN_PIXELS = 256
"""Longest side of a drawn map, whose own places are far fewer."""


class Wanted(BaseModel):
    """Which answer's map the page's script asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asked: Annotated[str, Field(max_length=64)]
    row: Annotated[int, Field(ge=0, lt=1000)]


def read_wanted(text: str) -> Wanted:
    """What the page's script wrote as JSON.

    Raises:
        BadInput: the script writes no such thing.
    """
    try:
        return Wanted.model_validate_json(text)
    except ValidationError:
        raise BadInput("the page asks for no such map", hint="load the page anew") from None


class Looked:
    """A comparison that was asked, and where its answers looked, once somebody wants to know."""

    def __init__(self, service: Service, asked: Asked, answering: Sequence[Answering]) -> None:
        self.asked = asked
        self._adapters = [who.adapter for who in answering]
        self._service = service
        self._heats: tuple[Heat, ...] = ()
        self._lock = threading.Lock()

    def heats(self) -> tuple[Heat, ...]:
        """One an answer, in the order asked.

        Raises:
            BadInput: a name stands for another commit than when it answered.
            ZooError: see `Service.look`.
        """
        with self._lock:
            heats = self._heats or self._service.look(self.asked)
            for heat, adapter in zip(heats, self._adapters, strict=True):
                if heat.adapter != adapter:
                    raise BadInput(
                        f"{heat.asked} answered as {adapter} and is {heat.adapter} now", hint="ask again"
                    )
            self._heats = heats
            return heats


def heat_uri(map: HeatMap) -> str:
    """A map as a PNG with transparency, as a data URI."""
    rows, columns = map.values.shape
    larger = max(1, SHOWN_PIXELS // max(rows, columns))
    smooth = Image.fromarray(map.values.astype(np.float32)).resize(
        (columns * larger, rows * larger), Image.Resampling.BICUBIC
    )
    values = np.clip(np.asarray(smooth), 0.0, 1.0)
    stops = np.linspace(0, 1, len(COLOURS))
    levels = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS])
    channels = [np.interp(values, stops, levels[:, channel]) for channel in range(3)]
    channels.append(255 * (LEAST_OPAQUE + (1 - LEAST_OPAQUE) * values))
    return png_uri(Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8)))


def about(heat: Heat) -> str:
    """What the colours mean, in words."""
    return (
        f"Before its first word it looked at the brightest place {heat.peak:.1f} times as much as for a "
        "general description. Attention is a hint at what it used, no proof."
    )
