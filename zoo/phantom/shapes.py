"""Soft-edged shapes on a grid of grey shades. It knows nothing of bodies or scans."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from zoo.phantom.scans import SIZE

Shades = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """An upright ellipse: centre and half axes, as fractions of the image's width."""

    x: float
    y: float
    rx: float
    ry: float


@cache
def grid() -> tuple[Shades, Shades]:
    """x and y of each pixel's centre, each of shape (SIZE, SIZE)."""
    at = (np.arange(SIZE, dtype=np.float32) + np.float32(0.5)) / np.float32(SIZE)
    x, y = np.meshgrid(at, at)
    return x, y


def ellipse(
    region: Region,
    *,
    square: float = 2.0,
    tilt: float = 0.0,
    wobble: tuple[int, float, float] | None = None,
    edge: float = 0.010,
) -> Shades:
    """How much of each pixel a (super)ellipse covers, 0 to 1, with a soft edge of width `edge`.

    `square` above 2 squares it off; `tilt` turns it (radians); `wobble` is (waves, depth, phase) of its rim.
    """
    x, y = grid()
    dx, dy = x - np.float32(region.x), y - np.float32(region.y)
    if tilt:
        c, s = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        dx, dy = c * dx + s * dy, c * dy - s * dx
    dx, dy = dx / np.float32(region.rx), dy / np.float32(region.ry)
    if square == 2.0:
        radius = np.sqrt(dx * dx + dy * dy)
    else:
        power = np.float32(square)
        radius = (np.abs(dx) ** power + np.abs(dy) ** power) ** np.float32(1.0 / square)
    if wobble is not None:
        waves, depth, phase = wobble
        radius = radius * (1 + np.float32(depth) * np.sin(waves * np.arctan2(dy, dx) + np.float32(phase)))
    sharp = np.float32(min(region.rx, region.ry) / edge)
    cover: Shades = np.clip((1 - radius) * sharp + np.float32(0.5), 0, 1)
    return cover


class Canvas:
    """Grey shades of shape (SIZE, SIZE), painted over one shape at a time."""

    def __init__(self) -> None:
        self.shades: Shades = np.zeros((SIZE, SIZE), dtype=np.float32)

    def fill(self, cover: Shades, shade: float, strength: float = 1.0) -> None:
        """Blend `shade` in where `cover` says, at most by `strength`."""
        self.shades += cover * np.float32(strength) * (np.float32(shade) - self.shades)

    def arc(self, region: Region, shade: float, strength: float) -> None:
        """The upper half of an ellipse's outline, about two pixels wide."""
        outer = ellipse(region)
        inner = ellipse(Region(region.x, region.y, region.rx - 0.02, region.ry - 0.02))
        upper = grid()[1] < region.y
        self.fill((outer - inner) * upper, shade, strength)
