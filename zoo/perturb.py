"""Pictures made worse on purpose: noise, diffusion noise, blank, crop; whole or inside a mask alone.

Pure functions on pictures of mode RGB or L and any size. A mask is of mode L and of the picture's size,
nonzero inside; pixels outside it stay as they are. The seed alone decides what is drawn. Knows nothing of
where a mask came from or of what the picture is for.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.errors import BadInput

Box = tuple[int, int, int, int]
"""left, top, width, height in pixels."""
DIFFUSION_STEPS = 1000

Pixels = npt.NDArray[np.float64]


def gaussian_noise(
    image: Image.Image, *, sigma: float, seed: int, mask: Image.Image | None = None
) -> Image.Image:
    """Each value plus N(0, sigma), rounded and clipped; `sigma` in units of 255.

    Raises:
        BadInput: `sigma` is below 0.
    """
    if not sigma >= 0:
        raise BadInput(f"the noise's sigma is {sigma}", hint="choose 0 or more, such as 45 of 255")
    pixels = _pixels(image)
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return _blend(image, _to_bytes(pixels + noise), mask)


def diffusion_noise(
    image: Image.Image, *, step: int, seed: int, mask: Image.Image | None = None
) -> Image.Image:
    """The picture after `step` steps of diffusion: sqrt(abar) x + sqrt(1 - abar) eps, with x in [0, 1] and
    eps ~ N(0, 1), clipped (Zhu et al. 2025, MMedPO; see `kept_signal` for abar).

    Raises:
        BadInput: `step` is not from 0 to 999.
    """
    if not 0 <= step < DIFFUSION_STEPS:
        raise BadInput(f"there is no diffusion step {step}", hint=f"choose 0 to {DIFFUSION_STEPS - 1}")
    pixels = _pixels(image) / 255
    noise = np.random.default_rng(seed).standard_normal(pixels.shape)
    abar = kept_signal()[step]
    noised = math.sqrt(abar) * pixels + math.sqrt(1 - abar) * noise
    return _blend(image, _to_bytes(noised * 255), mask)


def wrapped_noise(image: Image.Image, *, seed: int, mask: Image.Image | None = None) -> Image.Image:
    """Each value replaced by N(0, 10) cut to a whole number and written into eight bits, where -1 becomes
    255: near black, speckled with near white. The form that MMedPO's released code runs."""
    noise = np.random.default_rng(seed).normal(0, 10, _pixels(image).shape)
    return _blend(image, np.trunc(noise).astype(np.int64).astype(np.uint8), mask)


def blank(image: Image.Image, *, mask: Image.Image | None = None) -> Image.Image:
    """Black."""
    return _blend(image, np.zeros(_pixels(image).shape, dtype=np.uint8), mask)


def random_crop(
    image: Image.Image, *, seed: int, scale: tuple[float, float] = (0.01, 0.2)
) -> tuple[Image.Image, Box]:
    """A random part of the image, resized back to its size: the rejected image of mDPO (Wang et al. 2024).

    The part's share of the area is uniform in `scale`, the logarithm of its aspect ratio uniform
    between those of 3/4 and 4/3, its place uniform. The seed alone decides.
    """
    random = np.random.default_rng(seed)
    share = random.uniform(*scale)
    aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
    area = share * image.width * image.height
    width = min(max(round(math.sqrt(area * aspect)), 1), image.width)
    height = min(max(round(math.sqrt(area / aspect)), 1), image.height)
    left = int(random.integers(0, image.width - width + 1))
    top = int(random.integers(0, image.height - height + 1))
    part = image.crop((left, top, left + width, top + height))
    return part.resize(image.size, Image.Resampling.BILINEAR), (left, top, width, height)


@cache
def kept_signal() -> tuple[float, ...]:
    """abar_k for k = 0 to 999: how much of the picture's variance is left after each diffusion step.

    The cumulative product of 1 - beta, beta_t = sigmoid(linspace(-6, 6)) (0.5e-2 - 1e-5) + 1e-5.
    """
    beta = 1 / (1 + np.exp(-np.linspace(-6, 6, DIFFUSION_STEPS))) * (0.5e-2 - 1e-5) + 1e-5
    return tuple(float(abar) for abar in np.cumprod(1 - beta))


def _pixels(image: Image.Image) -> Pixels:
    if image.mode not in ("RGB", "L"):
        raise BadInput(f"the picture is of mode {image.mode!r}", hint="convert it to RGB or L")
    return np.asarray(image, dtype=np.float64)


def _to_bytes(values: Pixels) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def _blend(image: Image.Image, worse: npt.NDArray[np.uint8], mask: Image.Image | None) -> Image.Image:
    """What is worse inside the mask, the picture itself outside."""
    if mask is None:
        return Image.fromarray(worse)
    if mask.size != image.size or mask.mode != "L":
        raise BadInput(
            f"the mask is {mask.width} x {mask.height} of mode {mask.mode!r}, the picture {image.width} x "
            f"{image.height}",
            hint="give a mask of mode L and of the picture's size",
        )
    inside = np.asarray(mask) > 0
    if image.mode == "RGB":
        inside = inside[:, :, None]
    return Image.fromarray(np.where(inside, worse, np.asarray(image)))
