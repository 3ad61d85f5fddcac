"""Paints a finding into its place and gives its exact mask. It knows the place, not the organ in it."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zoo.phantom.looks import Look
from zoo.phantom.shapes import Canvas, Region, Shades, ellipse, grid
from zoo.phantom.vocabulary import ZONES

if TYPE_CHECKING:
    from zoo.phantom.scans import Finding

RADIUS = {"small": (0.040, 0.046), "medium": (0.064, 0.072), "large": (0.094, 0.106)}
"""Least and greatest radius of a finding, as fractions of the image's width."""
FILLED = {"small": (0.16, 0.20), "medium": (0.30, 0.35), "large": (0.45, 0.50)}
"""How much of the lung's height an effusion fills."""


def draw_finding(
    canvas: Canvas, region: Region, finding: "Finding", look: Look, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Paint the finding into `region`, the half of the organ on its side; return its mask."""
    if finding.kind == "effusion":
        cover = _effusion(canvas, region, finding, look, rng)
    else:
        radius = float(rng.uniform(*RADIUS[finding.size]))
        cover = _PAINT[finding.kind](canvas, _spot(region, finding.zone, radius, rng), look, rng)
    return cover > 0.5


def _spot(region: Region, zone: str, radius: float, rng: np.random.Generator) -> Region:
    """A place for a finding of that radius within a third of the region."""
    third = ZONES.index(zone) - 1
    across, along = rng.uniform(-1, 1, 2)
    y = region.y + region.ry * (0.60 * third + 0.09 * float(along))
    half = region.rx * float(np.sqrt(1 - ((y - region.y) / region.ry) ** 2))
    x = region.x + max(half - radius - 0.015, 0.0) * 0.7 * float(across)
    return Region(x, y, radius, radius)


def _nodule(canvas: Canvas, spot: Region, look: Look, rng: np.random.Generator) -> Shades:
    cover = ellipse(spot)
    canvas.fill(cover, look.solid)
    return cover


def _mass(canvas: Canvas, spot: Region, look: Look, rng: np.random.Generator) -> Shades:
    phase = float(rng.uniform(0, 6.3))
    cover = ellipse(spot, wobble=(6, 0.24, phase))
    canvas.fill(cover, look.solid)
    dead = Region(spot.x, spot.y, spot.rx * 0.42, spot.ry * 0.42)
    canvas.fill(ellipse(dead, wobble=(3, 0.3, phase)), look.core, 0.75)
    return cover


def _cyst(canvas: Canvas, spot: Region, look: Look, rng: np.random.Generator) -> Shades:
    cover = ellipse(spot)
    canvas.fill(cover, look.rim)
    canvas.fill(ellipse(Region(spot.x, spot.y, spot.rx - 0.014, spot.ry - 0.014)), look.core)
    if look.shadows:
        x, y = grid()
        below = (np.abs(x - spot.x) < spot.rx * 0.8) & (y > spot.y + spot.ry) & (y < spot.y + spot.ry + 0.10)
        canvas.fill(below.astype(np.float32), 0.85, 0.4)
    return cover


def _calcification(canvas: Canvas, spot: Region, look: Look, rng: np.random.Generator) -> Shades:
    cover = np.zeros_like(canvas.shades)
    start = float(rng.uniform(0, 6.3))
    grain = 0.30 * spot.rx + 0.004
    for k in range(5):
        angle = start + k * 2 * np.pi / 5 + float(rng.uniform(-0.35, 0.35))
        reach = (spot.rx - grain) * float(rng.uniform(0.75, 1.0))
        x, y = spot.x + reach * np.cos(angle), spot.y + reach * np.sin(angle)
        cover = np.maximum(cover, ellipse(Region(float(x), float(y), grain, grain), edge=0.008))
    if look.shadows:
        x_at, y_at = grid()
        below = (np.abs(x_at - spot.x) < spot.rx) & (y_at > spot.y + spot.ry)
        canvas.fill(below.astype(np.float32), 0.02, 0.7)
    canvas.fill(cover, look.chalk)
    return cover


def _consolidation(canvas: Canvas, spot: Region, look: Look, rng: np.random.Generator) -> Shades:
    cover = ellipse(
        Region(spot.x, spot.y, spot.rx * 1.15, spot.ry),
        wobble=(4, 0.18, float(rng.uniform(0, 6.3))),
        edge=0.05,
    )
    canvas.fill(cover, look.haze)
    for _ in range(6):
        angle, reach = rng.uniform([0, 0.1], [6.3, 0.7])
        x, y = spot.x + spot.rx * reach * np.cos(angle), spot.y + spot.ry * reach * np.sin(angle)
        canvas.fill(ellipse(Region(float(x), float(y), 0.012, 0.009)) * cover, look.air, 0.8)
    return cover


def _effusion(
    canvas: Canvas, region: Region, finding: "Finding", look: Look, rng: np.random.Generator
) -> Shades:
    x, y = grid()
    level = region.y + region.ry * (1 - 2 * float(rng.uniform(*FILLED[finding.size])))
    outward = (x - region.x) * (1 if finding.side == "left" else -1) / region.rx
    meniscus = level - 0.05 * np.clip(outward, -0.3, 1) ** 2
    within = ellipse(region, square=2.6)
    cover: Shades = within * np.clip((y - meniscus) / np.float32(0.01) + np.float32(0.5), 0, 1)
    canvas.fill(cover, look.haze + 0.12)
    return cover


_PAINT = {
    "nodule": _nodule,
    "mass": _mass,
    "cyst": _cyst,
    "calcification": _calcification,
    "consolidation": _consolidation,
}
