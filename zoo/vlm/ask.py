"""A model as a source of answers: greedy, sampled, and where it looks.

Requests are put in batches, in their order; it draws no progress bar and keeps nothing between calls.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.asking import Sampling
from zoo.errors import BadInput
from zoo.vlm.attention import attention_map
from zoo.vlm.decode import Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel

_ROWS = 64


class Request(Protocol):
    """Something to ask."""

    @property
    def images(self) -> Sequence[Image.Image]:
        """The question's images."""

    @property
    def prompt(self) -> str:
        """The question."""

    @property
    def seed(self) -> int:
        """Seed of what is sampled for it."""


class Asker:
    """Answers of a model, or of the adapter in one slot of its bank, to any number of requests."""

    def __init__(self, vlm: VisionLanguageModel, slot: int = 0, *, name: str = "") -> None:
        """`slot` is that of the adapter bank; 0 is the base. `name` is for a model that is not the bare base.

        Raises:
            BadInput: the slot holds no adapter.
        """
        if slot and (vlm.bank is None or slot not in vlm.bank.resident):
            raise BadInput(f"slot {slot} holds no adapter")
        self._vlm, self._slot = vlm, slot
        digest = vlm.bank.resident[slot] if slot and vlm.bank is not None else ""
        self.name = name or (f"{vlm.base.pinned}+{digest[:12]}" if digest else vlm.base.pinned)
        """`name@revision` of the base, and the first digits of the adapter's digest."""
        self.can_judge = vlm.base.can_judge

    def answers(self, requests: Sequence[Request]) -> list[str]:
        """Greedy answers, in the requests' order."""
        return [
            answer.text
            for batch in self._batches(requests, _ROWS)
            for answer in generate(self._vlm, [Row(f, r.prompt, self._slot) for r, f in batch])
        ]

    def samples(
        self, requests: Sequence[Request], *, n: int, temperature: float, top_p: float = 1.0
    ) -> list[list[str]]:
        """`n` sampled answers to each request, by the request's seed; its images are encoded once.

        The same requests in the same order give the same answers.

        Raises:
            BadInput: `n` below 1, a temperature of 0 or below, a `top_p` outside (0, 1].
        """
        if n < 1 or temperature <= 0:
            raise BadInput(f"{n} samples at temperature {temperature}: both must be above 0")
        found = []
        for batch in self._batches(requests, max(1, _ROWS // n)):
            rows = [
                Row(f, r.prompt, self._slot, Sampling(temperature=temperature, top_p=top_p, seed=seed))
                for r, f in batch
                for seed in _seeds(r.seed, n)
            ]
            texts = [answer.text for answer in generate(self._vlm, rows)]
            found += [texts[start : start + n] for start in range(0, len(texts), n)]
        return found

    def attention(self, requests: Sequence[Request]) -> list[npt.NDArray[np.float32]]:
        """Where each request's prompt looks in its first image, `(rows, columns)` of patches, 0 to 1."""
        return [
            attention_map(self._vlm, features, request.prompt, slot=self._slot)
            for batch in self._batches(requests, _ROWS)
            for request, features in batch
        ]

    def _batches(
        self, requests: Sequence[Request], size: int
    ) -> Iterator[list[tuple[Request, ImageFeatures]]]:
        """The requests with the features of their images, `size` at a time."""
        for start in range(0, len(requests), size):
            batch = requests[start : start + size]
            encoded = self._vlm.encode_batch([image for request in batch for image in request.images])
            found = []
            for request in batch:
                features = ImageFeatures(tuple(encoded[: len(request.images)]))
                encoded = encoded[len(request.images) :]
                found.append((request, features))
            yield found


def _seeds(seed: int, n: int) -> list[int]:
    """Seeds of `n` samples; the first of them do not depend on `n`."""
    return [
        int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]) >> 1
        for number in range(n)
    ]
