"""The seam between deciding and doing: what an engine is given and what it gives back."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from serving.core.requests import AdapterId, HeatMap
from zoo.asking import Finish, Piece, Sampling, Turn

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
    """One comparison for an engine: the same images and conversation for every adapter; None is the base."""

    images: tuple["Image", ...] = field(repr=False)
    turns: tuple[Turn, ...] = field(repr=False)
    adapters: tuple[OnDisk | None, ...]
    sampling: Sampling
    client: str = ""
    """Who asks, so that no one client has the engine for itself."""
    deadline: float | None = None
    """When it is given up, in seconds of the monotonic clock."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One answer of an engine."""

    text: str = field(repr=False)
    tokens: int
    prompt_tokens: int
    finish: Finish
    left_off: int = 0
    """Characters of an unfinished sentence that were said last and are not in the text."""
    first_token_ms: float
    """From submission to the first token."""
    milliseconds: float
    """From submission to the last token."""
    load: int
    """Number of the load that answered, fresh for each load; 0 for the base."""
    digest: str = ""
    """Of the weights that answered, as they lay in the slot; empty for the base."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Where one adapter of a comparison looked; see `serving.core.requests.Heat`."""

    maps: tuple[HeatMap, ...]
    peak: float
    load: int
    """Number of the load that looked, fresh for each load; 0 for the base."""
    digest: str = ""
    """Of the weights that looked, as they lay in the slot; empty for the base."""


class Ticket(Protocol):
    """A comparison that an engine has taken on."""

    @property
    def done(self) -> "Future[tuple[Output, ...]]":
        """One output a row, in order; or the ZooError that ended it. Cancelled after `cancel`."""

    def cancel(self) -> None:
        """Nobody wants the answers any more: its rows are freed before the next step. From any thread."""


class Engine(Protocol):
    """Runs one base with many adapters."""

    @property
    def alive(self) -> bool:
        """True while it takes work."""

    def submit(self, work: Work, on_piece: Callable[[Piece], None] | None = None) -> Ticket:
        """Take a comparison on. `on_piece` is called from the engine's thread and must be quick; after the
        last piece of the last row `done` is set.

        Raises:
            Busy: the queue is full.
            Stopped: the engine takes no work any more.
            BadInput: more adapters than the engine can ever run at once.
        """

    def look(self, work: Work) -> "Future[tuple[Look, ...]]":
        """Say where each adapter of a comparison looks in its images when it is about to answer, one a row.
        It waits, holds slots and is too late as a comparison is; cancel the future to give it up.

        Raises:
            Busy, Stopped, BadInput: see `submit`. The future raises BadDeclaration if the base cannot tell.
        """

    def check_room(self, *, rows: int, client: str) -> None:
        """Whether a comparison of so many rows would be taken on now.

        Raises:
            Busy, Stopped: see `submit`.
        """

    def warm(self, adapter: OnDisk, *, pin: bool = False, deadline: float | None = None) -> "Future[None]":
        """Load an adapter ahead of its first question, with every check; a pinned one is evicted last. It is
        given up at the deadline, in seconds of the monotonic clock, and if the future is cancelled before."""

    def unload(self, adapter: AdapterId) -> "Future[None]":
        """Empty the adapter's slot as soon as no answer of its is under way; done at once if it has none."""

    def drain(self, *, timeout_s: float) -> bool:
        """Take no more work and wait for what is under way; False if that took longer."""

    def close(self) -> None:
        """End now: whatever is not finished fails with Stopped."""
