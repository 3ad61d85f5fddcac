"""Vision features by what is in the picture: encoded once, kept in memory for a while, never on disk."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serving.core.cache import ExpiringCache
from serving.engines.model import Model

if TYPE_CHECKING:
    from PIL.Image import Image


class Seen:
    """The features of images that were asked about; at most `max_bytes`, each for at most `ttl_s`."""

    def __init__(self, model: Model, *, max_bytes: int, ttl_s: float) -> None:
        self._model = model
        self._features: ExpiringCache[Any] = ExpiringCache(max_bytes=max_bytes, ttl_s=ttl_s)

    def features(self, images: Sequence["Image"], *, now: float) -> Any:
        """The features of one question's images."""
        images = [one if one.mode == "RGB" else one.convert("RGB") for one in images]
        key = _pixels_digest(images)
        features = self._features.get(key, now=now)
        if features is None:
            features, size = self._model.encode(images)
            self._features.put(key, features, size=size, now=now)
        return features

    def expire(self, *, now: float) -> None:
        """Forget what is older than the time to live."""
        self._features.expire(now=now)


def _pixels_digest(images: Sequence["Image"]) -> str:
    """The same for images in RGB with the same pixels, in the same order."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.size};".encode())
        digest.update(image.tobytes())
    return digest.hexdigest()
