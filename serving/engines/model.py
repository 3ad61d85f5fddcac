"""What the embedded engine needs of a model: a base with slots for adapters, and batches under way.

`serving.engines.banked` fills it with the zoo's; a fake of some forty lines makes the engine testable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo.asking import Piece, Sampling, Turn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from zoo.manifest import AdapterManifest


Content = Any
"""What `Model.read` gave; its length, `len`, is in bytes."""


@dataclass(frozen=True)
class Row:
    """One answer that is wanted."""

    features: Any = field(repr=False)
    """Of the question's images, as `Model.encode` gave them."""
    turns: tuple[Turn, ...] = field(repr=False)
    slot: int
    """Of the adapter; 0 is the base."""
    sampling: Sampling


@dataclass(frozen=True)
class Looked:
    """Where the adapters looked in one image."""

    ratios: "npt.NDArray[np.float32]" = field(repr=False)
    """(slots, rows, columns): attention to each token, over that of a general description."""
    box: tuple[float, float, float, float]
    """See `serving.core.requests.HeatMap`."""


class Batch(Protocol):
    """Answers under way; nothing is run before the first `step`. Called from one thread alone."""

    @property
    def prompt_tokens(self) -> Sequence[int]:
        """Tokens of each row's prompt, its images' included."""

    @property
    def open(self) -> Sequence[int]:
        """Rows that still answer."""

    def step(self) -> Sequence[Piece]:
        """Run the prompts (first call), or one more token of every open row."""

    def drop(self, row: int) -> None:
        """End a row whose answer nobody wants."""


class Model(Protocol):
    """A base with slots for adapters; slot 0 is the base.

    `read`, `load` and `clear` are called from the loader's thread, while batches run; only slots that no
    batch uses are loaded and cleared. All else is called from the engine's thread.
    """

    def encode(self, images: Sequence["Image"]) -> tuple[Any, int]:
        """Features of one question's images, and the bytes they take."""

    def check(self, features: Any, turns: Sequence[Turn], *, max_tokens: int) -> None:
        """Raise BadInput if these turns cannot be put to the base, or not with so long an answer."""

    def read(self, folder: Path) -> Content:
        """The bytes of an adapter's files."""

    def load(self, slot: int, folder: Path, manifest: "AdapterManifest", content: Content) -> None:
        """Check an adapter in every way and write it into an empty slot; on an error the slot stays empty."""

    def digest(self, slot: int) -> str | None:
        """Digest of the weights that were written into a slot; None if it is empty. From any thread."""

    def clear(self, slot: int) -> None:
        """Empty a slot."""

    def look(
        self, features: Any, sizes: Sequence[tuple[int, int]], turns: Sequence[Turn], slots: Sequence[int]
    ) -> "Sequence[Looked]":
        """Where the adapter in each slot looks in each image before it answers; `sizes` are the images' width
        and height. Raises BadDeclaration where the base cannot tell."""

    def begin(self, rows: Sequence[Row]) -> Batch:
        """A batch of these rows."""
