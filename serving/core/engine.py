"""The seam between deciding and doing: what an engine is given and what it gives back."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from serving.core.requests import AdapterId

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.manifest import AdapterManifest


@dataclass(frozen=True)
class OnDisk:
    """An adapter whose files are on this machine."""

    id: AdapterId
    folder: Path
    manifest: "AdapterManifest"


@dataclass(frozen=True, kw_only=True)
class Work:
    """One comparison for an engine: the same images and question for every adapter; None is the base."""

    images: tuple["Image", ...]
    question: str
    adapters: tuple[OnDisk | None, ...]


@dataclass(frozen=True)
class Output:
    """One answer of an engine."""

    text: str
    tokens: int
    milliseconds: float


class Engine(Protocol):
    """Runs one base with many adapters."""

    @property
    def alive(self) -> bool:
        """True while it takes work."""

    def submit(self, work: Work) -> "Future[tuple[Output, ...]]":
        """Take a comparison on; the future gives one output an adapter, in order, or raises a ZooError.

        Raises:
            Busy: the queue is full.
            BadInput: more adapters than the engine can ever run at once.
        """

    def warm(self, adapter: OnDisk) -> "Future[None]":
        """Load an adapter ahead of the first question to it, with every check."""

    def close(self) -> None:
        """Finish the batch under way, fail what waits, and end."""
