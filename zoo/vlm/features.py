"""Vision features, made once an image: by its bytes, the processor, the base's revision and its precision."""

import hashlib
from collections.abc import Callable, Mapping

import torch
import transformers
from PIL import Image

from zoo.vlm.encoded import EncodedImage
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.store import Tensors, TensorStore

AT_ONCE = 16
"""Images that are open and seen at once."""
_DEEP = "deepstack "


class FeatureCache:
    """A base's eyes, which see each image once while the store has room."""

    def __init__(self, vlm: VisionLanguageModel, store: TensorStore) -> None:
        self._vlm, self._store = vlm, store
        processor = vlm.image_processor
        eyes = [vlm.identity, type(processor).__name__, processor.to_json_string(), transformers.__version__]
        self.eyes = hashlib.sha256("\n".join(eyes).encode()).hexdigest()
        """All that decides what the base sees in an image, as a digest."""

    def of(self, images: Mapping[str, Callable[[], Image.Image]]) -> dict[str, EncodedImage]:
        """Features on the base's device by the sha256 of the image's bytes; each image is opened only if it
        must be seen."""
        kept = {digest: self._store.get(self._key(digest)) for digest in images}
        found = {digest: self._image(tensors) for digest, tensors in kept.items() if tensors is not None}
        unseen = [digest for digest in images if digest not in found]
        for start in range(0, len(unseen), AT_ONCE):
            lacking = unseen[start : start + AT_ONCE]
            encoded = self._vlm.encode_batch([images[digest]() for digest in lacking])
            new = dict(zip(lacking, encoded, strict=True))
            self._store.put({self._key(digest): _tensors(image) for digest, image in new.items()})
            found |= new
        return found

    def _key(self, digest: str) -> str:
        return f"image {self.eyes} {digest}"

    def _image(self, tensors: Tensors) -> EncodedImage:
        device = self._vlm.device
        time, height, width = tensors["grid"].tolist() if "grid" in tensors else (0, 0, 0)
        return EncodedImage(
            tensors["tokens"].to(device),
            grid=(time, height, width) if "grid" in tensors else None,
            deepstack=tuple(tensors[name].to(device) for name in sorted(tensors) if name.startswith(_DEEP)),
        )


def _tensors(image: EncodedImage) -> Tensors:
    grid = {} if image.grid is None else {"grid": torch.tensor(image.grid)}
    deep = {f"{_DEEP}{number:03}": tensor for number, tensor in enumerate(image.deepstack)}
    return {"tokens": image.tokens, **grid, **deep}
