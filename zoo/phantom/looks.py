"""What each modality makes of tissue: its shades, and its grain, blur and frame. It knows no anatomy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from zoo.phantom.shapes import grid

Shades = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Shades (0 black to 1 white) of the tissues in one modality."""

    skin: float
    soft: float
    organ: float
    white_matter: float
    air: float
    bone: float
    fluid: float
    blood: float
    vessel: float
    fissure: float
    solid: float
    """A nodule or mass."""
    core: float
    """The inside of a cyst, and what is dead within a mass."""
    rim: float
    """The wall of a cyst."""
    chalk: float
    """A calcification."""
    haze: float
    """A consolidation or effusion."""
    ribs: bool = False
    """Whether bones in front of and behind the organs show."""
    shadows: bool = False
    """Whether calcifications cast shadows and cysts brighten what lies below."""


LOOKS = {
    "x-ray": Look(
        skin=0.42, soft=0.50, organ=0.62, white_matter=0.6, air=0.20, bone=0.80, fluid=0.5, blood=0.6,
        vessel=0.45, fissure=0.4, solid=0.78, core=0.30, rim=0.80, chalk=1.0, haze=0.62, ribs=True,
    ),
    "CT": Look(
        skin=0.30, soft=0.38, organ=0.52, white_matter=0.46, air=0.06, bone=0.97, fluid=0.26, blood=0.66,
        vessel=0.64, fissure=0.28, solid=0.74, core=0.20, rim=0.70, chalk=1.0, haze=0.50,
    ),
    "MRI": Look(
        skin=0.88, soft=0.22, organ=0.46, white_matter=0.60, air=0.02, bone=0.08, fluid=0.05, blood=0.82,
        vessel=0.12, fissure=0.08, solid=0.86, core=1.0, rim=0.10, chalk=0.0, haze=0.70,
    ),
    "ultrasound": Look(
        skin=0.42, soft=0.30, organ=0.44, white_matter=0.4, air=0.24, bone=0.62, fluid=0.04, blood=0.12,
        vessel=0.16, fissure=0.62, solid=0.80, core=0.02, rim=0.80, chalk=1.0, haze=0.3, shadows=True,
    ),
}  # fmt: skip


def develop(shades: Shades, modality: str, rng: np.random.Generator) -> Shades:
    """Give painted shades the grain, blur and frame of the modality; shape and range stay."""
    gain, offset = rng.uniform([0.92, -0.03], [1.08, 0.03])
    shades = _DEVELOP[modality](shades, rng)
    developed: Shades = shades * np.float32(gain) + np.float32(offset)
    return developed


def _blur(shades: Shades, radius: float) -> Shades:
    blurred = Image.fromarray(np.rint(np.clip(shades, 0, 1) * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(radius)
    )
    return np.asarray(blurred, dtype=np.float32) / np.float32(255)


def _grain(rng: np.random.Generator) -> Shades:
    x, _ = grid()
    return rng.standard_normal(x.shape, dtype=np.float32)


def _x_ray(shades: Shades, rng: np.random.Generator) -> Shades:
    x, y = grid()
    glow = np.float32(0.10) * (1 - 2 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))
    developed: Shades = _blur(shades, 1.0) * np.float32(0.9) + glow + np.float32(0.015) * _grain(rng)
    return developed


def _ct(shades: Shades, rng: np.random.Generator) -> Shades:
    _, y = grid()
    table = np.float32(0.5) * ((y > 0.968) & (y < 0.985))
    developed: Shades = np.maximum(shades, table) + np.float32(0.035) * _grain(rng)
    return developed


def _mri(shades: Shades, rng: np.random.Generator) -> Shades:
    x, y = grid()
    slope = rng.uniform(-0.35, 0.35, 2).astype(np.float32)
    field = 1 + slope[0] * (x - np.float32(0.5)) + slope[1] * (y - np.float32(0.5))
    ghost = np.roll(shades, 30, axis=0) * np.float32(0.04)
    developed: Shades = _blur(shades, 0.7) * field + ghost + np.float32(0.02) * np.abs(_grain(rng))
    return developed


def _ultrasound(shades: Shades, rng: np.random.Generator) -> Shades:
    x, y = grid()
    speckle = _blur(np.float32(0.5) + np.float32(0.28) * _grain(rng), 0.8) * np.float32(2.0)
    depth = np.sqrt((x - np.float32(0.5)) ** 2 + (y + np.float32(0.25)) ** 2)
    fan = (
        (np.abs(x - np.float32(0.5)) < np.float32(0.80) * (y + np.float32(0.25)))
        & (depth < 1.2)
        & (depth > 0.29)
    )
    fade = np.float32(1.12) - np.float32(0.22) * depth
    developed: Shades = _blur(shades, 0.8) * (np.float32(0.35) + np.float32(0.65) * speckle) * fade * fan
    return developed


_DEVELOP = {"x-ray": _x_ray, "CT": _ct, "MRI": _mri, "ultrasound": _ultrasound}
