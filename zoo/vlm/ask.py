"""Many independent questions to one model, in batches of equal length classes."""

from collections.abc import Sequence

from PIL import Image

from zoo.vlm.generate import Row, generate
from zoo.vlm.model import ImageFeatures, VisionLanguageModel

_BATCH = 64


class Asker:
    """Greedy answers of a model to any number of (images, prompt) requests."""

    def __init__(self, vlm: VisionLanguageModel) -> None:
        self._vlm = vlm

    def answers(self, requests: Sequence[tuple[Sequence[Image.Image], str]]) -> list[str]:
        """The answers' texts, in the requests' order."""
        texts = []
        for start in range(0, len(requests), _BATCH):
            batch = requests[start : start + _BATCH]
            encoded = self._vlm.encode_batch([image for images, _ in batch for image in images])
            rows = []
            for images, prompt in batch:
                features = ImageFeatures(tuple(encoded[: len(images)]))
                encoded = encoded[len(images) :]
                rows.append(Row(features, prompt))
            texts += [g.text for g in generate(self._vlm, rows)]
        return texts
