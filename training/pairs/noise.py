"""Rejected images by noise: Gaussian, a diffusion step's, or what MMedPO's released code writes."""

from dataclasses import dataclass
from typing import Any, ClassVar

from PIL import Image

from training.pairs.perturb import Perturb
from training.pairs.roi import Roi
from zoo.perturb import diffusion_noise, gaussian_noise, wrapped_noise


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Perturb):
    """Gaussian noise, in units of 255."""

    sigma: float = 64.0
    image_sigma: float | None = None
    """Sigma on the whole image, where that differs from sigma in a region."""

    name: ClassVar[str] = "gaussian noise"

    def perturbed(self, image: Image.Image, mask: Image.Image | None, *, seed: int) -> Image.Image:
        return gaussian_noise(image, sigma=self._sigma(mask is None), seed=seed, mask=mask)

    def numbers(self, roi: Roi | None) -> dict[str, Any]:
        return {"sigma": self._sigma(roi is None)}

    def _sigma(self, whole: bool) -> float:
        return self.image_sigma if whole and self.image_sigma is not None else self.sigma


@dataclass(frozen=True, kw_only=True)
class DiffusionNoise(Perturb):
    """The image after some of the 1000 steps of diffusion, the form of MMedPO's paper."""

    step: int = 500

    name: ClassVar[str] = "diffusion noise"

    def perturbed(self, image: Image.Image, mask: Image.Image | None, *, seed: int) -> Image.Image:
        return diffusion_noise(image, step=self.step, seed=seed, mask=mask)

    def numbers(self, roi: Roi | None) -> dict[str, Any]:
        return {"step": self.step}


@dataclass(frozen=True, kw_only=True)
class WrappedNoise(Perturb):
    """Values of N(0, 10) written into eight bits, the form of MMedPO's released code, which also takes all
    heat above the mean less one standard deviation, so most of the image."""

    name: ClassVar[str] = "wrapped noise"
    deviations: ClassVar[float] = -1.0

    def perturbed(self, image: Image.Image, mask: Image.Image | None, *, seed: int) -> Image.Image:
        return wrapped_noise(image, seed=seed, mask=mask)
