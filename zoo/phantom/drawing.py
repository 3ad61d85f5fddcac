"""Draws a scan: anatomy, the finding and its mask, then the look of its modality.

Lengths are fractions of the image's width, x to the right, y down; shades run from 0 (black) to 1. It
knows no questions. The patient's left is on the image's right.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zoo.phantom import findings, looks
from zoo.phantom.shapes import Canvas, Region, ellipse

if TYPE_CHECKING:
    from zoo.phantom.scans import Scan

Shades = npt.NDArray[np.float32]

ORGAN_HALVES = {
    # organ: (distance of each half's centre from the midline, centre y, half width, half height)
    "lungs": (0.205, 0.50, 0.145, 0.32),
    "kidneys": (0.21, 0.50, 0.135, 0.26),
    "liver": (0.17, 0.50, 0.19, 0.27),
    "brain": (0.16, 0.50, 0.17, 0.33),
    "heart": (0.135, 0.52, 0.15, 0.29),
}


@dataclass(frozen=True, kw_only=True)
class Body:
    """Where this scan's patient lies: a small shift and a scale, drawn from the seed."""

    dx: float
    dy: float
    scale: float

    def region(self, organ: str, side: str) -> Region:
        """The half of the organ on the patient's `side`."""
        off, y, rx, ry = ORGAN_HALVES[organ]
        sign = 1.0 if side == "left" else -1.0
        return self.at(sign * off, y - 0.5, rx, ry)

    def at(self, x: float, y: float, rx: float, ry: float) -> Region:
        """An ellipse given from the body's centre."""
        s = self.scale
        return Region(0.5 + self.dx + x * s, 0.5 + self.dy + y * s, rx * s, ry * s)


def body_of(scan: "Scan") -> Body:
    """The body on this scan."""
    dx, dy, scale = np.random.default_rng([scan.seed, 1]).uniform([-0.03, -0.02, 0.93], [0.03, 0.02, 1.05])
    return Body(dx=float(dx), dy=float(dy), scale=float(scale))


def draw(scan: "Scan") -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Pixels (uint8) and mask (bool) of the scan, each of shape (SIZE, SIZE)."""
    rng = np.random.default_rng([scan.seed, 2])
    canvas = Canvas()
    body = body_of(scan)
    look = looks.LOOKS[scan.modality]
    _ANATOMY[scan.organ](canvas, body, look, rng)
    mask = np.zeros(canvas.shades.shape, dtype=np.bool_)
    if scan.finding is not None:
        region = body.region(scan.organ, scan.finding.side)
        mask = findings.draw_finding(canvas, region, scan.finding, look, rng)
    shades = looks.develop(canvas.shades, scan.modality, rng)
    return np.rint(np.clip(shades, 0, 1) * 255).astype(np.uint8), mask


def _torso(canvas: Canvas, body: Body, look: looks.Look) -> None:
    canvas.fill(ellipse(body.at(0, 0, 0.46, 0.52)), look.skin)
    canvas.fill(ellipse(body.at(0, 0, 0.435, 0.50)), look.soft)


def _spine(canvas: Canvas, body: Body, look: looks.Look, width: float = 0.045) -> None:
    for k in range(-4, 5):
        canvas.fill(ellipse(body.at(0, k * 0.115, width, 0.045), square=4.0), look.bone)


def _lungs(canvas: Canvas, body: Body, look: looks.Look, rng: np.random.Generator) -> None:
    _torso(canvas, body, look)
    for side in ("left", "right"):
        canvas.fill(ellipse(body.region("lungs", side), square=2.6), look.air)
    _spine(canvas, body, look)
    canvas.fill(ellipse(body.at(0.07, 0.13, 0.12, 0.14)), look.soft * 1.05)
    canvas.fill(ellipse(body.at(0.0, -0.28, 0.02, 0.14)), look.air)
    for sign in (-1.0, 1.0):
        for k in range(3):
            canvas.fill(
                ellipse(body.at(sign * (0.10 + 0.03 * k), -0.04 + 0.05 * k, 0.045, 0.012)), look.vessel, 0.5
            )
        if look.ribs:
            for k in range(6):
                canvas.arc(body.at(sign * 0.16, -0.25 + 0.1 * k, 0.24, 0.13), look.bone, 0.30)
        if look.ribs:
            canvas.fill(ellipse(body.at(sign * 0.2, -0.36, 0.16, 0.015)), look.bone, 0.6)


def _kidneys(canvas: Canvas, body: Body, look: looks.Look, rng: np.random.Generator) -> None:
    _torso(canvas, body, look)
    _spine(canvas, body, look)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        canvas.fill(ellipse(body.region("kidneys", side)), look.organ)
        canvas.fill(ellipse(body.at(sign * 0.125, 0, 0.05, 0.07)), look.soft)
        canvas.fill(ellipse(body.at(sign * 0.19, 0, 0.035, 0.11)), look.vessel, 0.35)
        if look.ribs:
            canvas.arc(body.at(sign * 0.16, -0.30, 0.28, 0.13), look.bone, 0.3)
            canvas.fill(ellipse(body.at(sign * 0.27, 0.45, 0.15, 0.10)), look.bone, 0.6)


def _liver(canvas: Canvas, body: Body, look: looks.Look, rng: np.random.Generator) -> None:
    _torso(canvas, body, look)
    canvas.fill(ellipse(body.region("liver", "right"), square=2.4), look.organ)
    canvas.fill(ellipse(body.region("liver", "left"), square=2.4), look.organ)
    canvas.fill(ellipse(body.at(0, 0.02, 0.012, 0.25)), look.fissure, 0.8)
    for _ in range(5):
        x, y = rng.uniform([-0.28, -0.2], [0.28, 0.2])
        canvas.fill(ellipse(body.at(float(x), float(y), 0.035, 0.008)), look.vessel, 0.45)
    canvas.fill(ellipse(body.at(-0.09, 0.33, 0.045, 0.05)), look.fluid)


def _brain(canvas: Canvas, body: Body, look: looks.Look, rng: np.random.Generator) -> None:
    canvas.fill(ellipse(body.at(0, 0, 0.40, 0.46)), look.skin)
    canvas.fill(ellipse(body.at(0, 0, 0.385, 0.445)), look.bone)
    canvas.fill(ellipse(body.at(0, 0, 0.355, 0.415)), look.fluid)
    canvas.fill(ellipse(body.at(0, 0, 0.34, 0.40), wobble=(14, 0.03, float(rng.uniform(0, 6)))), look.organ)
    canvas.fill(
        ellipse(body.at(0, 0, 0.26, 0.31), wobble=(11, 0.06, float(rng.uniform(0, 6)))), look.white_matter
    )
    canvas.fill(ellipse(body.at(0, 0, 0.008, 0.39)), look.fissure)
    for sign in (-1.0, 1.0):
        canvas.fill(ellipse(body.at(sign * 0.055, -0.02, 0.03, 0.10), tilt=sign * 0.35), look.fluid)


def _heart(canvas: Canvas, body: Body, look: looks.Look, rng: np.random.Generator) -> None:
    canvas.fill(ellipse(body.at(0, 0, 0.46, 0.48)), look.soft * 0.6)
    for sign in (-1.0, 1.0):
        canvas.fill(ellipse(body.at(sign * 0.40, 0, 0.12, 0.36)), look.air)
    canvas.fill(ellipse(body.at(0, 0.02, 0.31, 0.335), square=2.3), look.organ)
    for sign in (-1.0, 1.0):
        canvas.fill(ellipse(body.at(sign * 0.12, 0.11, 0.085, 0.15)), look.blood)
        canvas.fill(ellipse(body.at(sign * 0.125, -0.15, 0.085, 0.085)), look.blood)
    canvas.fill(ellipse(body.at(0.03, -0.38, 0.05, 0.12)), look.blood)


_ANATOMY = {"lungs": _lungs, "kidneys": _kidneys, "liver": _liver, "brain": _brain, "heart": _heart}
