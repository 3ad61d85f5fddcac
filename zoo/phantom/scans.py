"""A drawn scan: what is on it, decided from its seed, and its pixels, drawn when asked for.

Deciding is cheap (tens of microseconds), drawing takes milliseconds; so a question set over thousands of
scans is made without drawing one. How things look is `drawing`'s, how they are asked about `questions`'.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from zoo.phantom import vocabulary as words

SIZE = 128
"""Width and height of a scan in pixels."""
WITHOUT_FINDING = 0.25
"""Share of scans on which nothing is found."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong, where (the patient's side, the third of the organ) and how big."""

    kind: str
    side: str
    zone: str
    size: str


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One drawn scan; `pixels` and `mask` are drawn on first use."""

    seed: int
    modality: str
    organ: str
    finding: Finding | None

    @cached_property
    def _drawn(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        from zoo.phantom.drawing import draw

        return draw(self)

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """Grey values, shape (SIZE, SIZE). The patient's left is on the image's right."""
        return self._drawn[0]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """True inside the finding, shape (SIZE, SIZE); all False without one."""
        return self._drawn[1]


def make_scan(seed: int) -> Scan:
    """The scan of that seed (any integer from 0): the same on every machine."""
    rng = np.random.default_rng([seed, 0])
    modality = _pick(rng, words.MODALITIES)
    organ = _pick(rng, words.ORGANS_SEEN_ON[modality])
    finding = None
    if rng.random() >= WITHOUT_FINDING:
        kind = _pick(rng, words.KINDS_FOUND_IN[organ])
        zone = "lower" if kind == "effusion" else _pick(rng, words.ZONES)
        finding = Finding(kind=kind, side=_pick(rng, words.SIDES), zone=zone, size=_pick(rng, words.SIZES))
    return Scan(seed=seed, modality=modality, organ=organ, finding=finding)


def _pick(rng: np.random.Generator, among: tuple[str, ...]) -> str:
    return among[int(rng.integers(len(among)))]
