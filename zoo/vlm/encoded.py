"""Vision features: what an image is to the language model."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class EncodedImage:
    """Projected vision features of one image."""

    tokens: torch.Tensor
    """(tokens, hidden)"""
    grid: tuple[int, int, int] | None = None
    """Patches along time, height and width, for a family that places them by it."""
    deepstack: tuple[torch.Tensor, ...] = ()
    """What is added to the first layers' outputs at the image's tokens, each `(tokens, hidden)`."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        """Bytes that the features take."""
        return sum(tensor.nbytes for tensor in (self.tokens, *self.deepstack))


@dataclass(frozen=True)
class ImageFeatures:
    """Vision features of one question's images."""

    images: tuple[EncodedImage, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that the features take."""
        return sum(image.nbytes for image in self.images)
