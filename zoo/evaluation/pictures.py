"""The pictures of an evaluation: known by their pixels, opened ahead of the model, encoded once each.

A picture's key is the sha256 of its pixels, or `noise` and that of the picture in whose place noise stands;
so the same picture under two names, or in two benchmarks, is one. Features are held only while questions
about them are still to come. Pictures are encoded in groups that never change, since the last digits of the
features follow from the group.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from PIL.Image import Image

from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.evaluation.ablation import noise_like
from zoo.evaluation.asked import Asked
from zoo.records import to_line
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.model import VisionLanguageModel

AT_ONCE = 16
"""Pictures that are open and encoded at once."""
_THREADS = 4
_NOISE = "noise "
_SAME_FILES = "every worker needs the same files as this machine, and nobody who changes them"

Keys = dict[tuple[int, str], str]
"""The keys of pictures, by the number of their benchmark and their name there."""


def pixels_digest(image: Image) -> str:
    """sha256 hex of a picture's mode, size and pixels: what a model was shown, whatever the file."""
    head = f"{image.mode} {image.size}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


class Gallery:
    """The pictures that the questions of some benchmarks are about. Each is opened here once, for its key,
    where the keys are not known already."""

    def __init__(self, benchmarks: Sequence[QuestionSet], keys: Keys | None = None) -> None:
        self._benchmarks = benchmarks
        self.keys = keys if keys is not None else self._read()
        self._named = {key: name for name, key in reversed(self.keys.items())}

    def _read(self) -> Keys:
        names = [
            (number, name)
            for number, questions in enumerate(self._benchmarks)
            for name in dict.fromkeys(image for q in questions.questions for image in q.images)
        ]
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(names, pool.map(lambda one: pixels_digest(self._open(*one)), names), strict=True))

    def key(self, benchmark: int, name: str) -> str:
        """The key of the picture of that name in that benchmark.

        Raises:
            BadInput: it is not among the keys that were given.
        """
        if (benchmark, name) not in self.keys:
            raise BadInput(
                f"{self._benchmarks[benchmark].name} asks about the picture {name}, and did not when this "
                "evaluation began",
                hint=_SAME_FILES,
            )
        return self.keys[benchmark, name]

    def noise_key(self, benchmark: int, name: str) -> str:
        """The key of the noise in its place."""
        return _NOISE + self.key(benchmark, name)

    def fingerprint(self, benchmark: int) -> str:
        """sha256 hex over a benchmark's questions in order and their pictures' keys."""
        digest = hashlib.sha256()
        for question in self._benchmarks[benchmark].questions:
            keys = (self.key(benchmark, name) for name in question.images)
            digest.update(f"{to_line(question)}{' '.join(keys)}\n".encode())
        return digest.hexdigest()

    def open(self, key: str) -> tuple[Image, str]:
        """The picture of that key, and the sha256 of its pixels.

        Raises:
            BadInput: its file holds other pixels than those that the key was made of.
        """
        pixels = key.removeprefix(_NOISE)
        number, name = self._named[pixels]
        image = self._open(number, name)
        if (found := pixels_digest(image)) != pixels:
            raise BadInput(
                f"the picture {name} of {self._benchmarks[number].name} is another one than when this "
                "evaluation began",
                hint=_SAME_FILES,
            )
        if key == pixels:
            return image, found
        noise = noise_like(image, pixels)
        return noise, pixels_digest(noise)

    def _open(self, benchmark: int, name: str) -> Image:
        return self._benchmarks[benchmark].open_image(name)


class Eyes:
    """What the model sees of the pictures of each batch, taken in the batches' order. Use as a context."""

    def __init__(
        self, vlm: VisionLanguageModel, gallery: Gallery, batches: Sequence[Sequence[Asked]]
    ) -> None:
        self._vlm, self._gallery = vlm, gallery
        self._last = {key: n for n, batch in enumerate(batches) for one in batch for key in one.pictures}
        """By picture the last batch that shows it."""
        keys = list(dict.fromkeys(key for batch in batches for one in batch for key in one.pictures))
        self._groups = [keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE)]
        self._group_of = {key: n for n, group in enumerate(self._groups) for key in group}
        self._seen: dict[str, tuple[EncodedImage, str]] = {}
        self._ahead: tuple[int, list[Future[tuple[Image, str]]]] | None = None
        self._pool = ThreadPoolExecutor(_THREADS)

    def __enter__(self) -> "Eyes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def of(
        self, number: int, batch: Sequence[Asked]
    ) -> dict[tuple[str, ...], tuple[ImageFeatures, tuple[str, ...]]]:
        """Features, and the sha256 of each picture, by the keys of the pictures that a question is shown."""
        wanted = dict.fromkeys(key for one in batch for key in one.pictures)
        for group in sorted({self._group_of[key] for key in wanted if key not in self._seen}):
            self._see(group)
        found = {}
        for pictures in dict.fromkeys(one.pictures for one in batch):
            seen = [self._seen[key] for key in pictures]
            features = ImageFeatures(tuple(encoded for encoded, _ in seen))
            found[pictures] = features, tuple(digest for _, digest in seen)
        self._seen = {key: seen for key, seen in self._seen.items() if self._last[key] > number}
        return found

    def _see(self, group: int) -> None:
        opened = self._open(group) if self._ahead is None or self._ahead[0] != group else self._ahead[1]
        images = [one.result() for one in opened]
        self._ahead = (group + 1, self._open(group + 1)) if group + 1 < len(self._groups) else None
        encoded = self._vlm.encode_batch([image for image, _ in images])
        for key, features, (_, digest) in zip(self._groups[group], encoded, images, strict=True):
            self._seen[key] = features, digest

    def _open(self, group: int) -> list[Future[tuple[Image, str]]]:
        return [self._pool.submit(self._gallery.open, key) for key in self._groups[group]]
