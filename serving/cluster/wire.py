"""What is sent between the service and the replicas of its engine. Knows no Ray.

An error crosses as data and is made anew: what a replica raised would be written, message and all, into logs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import zoo.errors
from serving.core.engine import Look, Output, Work
from serving.core.origin import Origin
from serving.core.requests import AdapterId
from serving.settings import Settings
from zoo.asking import Piece
from zoo.errors import EngineFailed, ZooError

_COMMON = {"slots", "max_rank", "max_rows", "max_waiting_rows", "dtype", "load_in_4bit", "load_in_8bit"}


class ReplicaLost(Exception):
    """The replica that was asked is no more."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One comparison, look or load for a replica."""

    kind: Literal["answer", "look", "warm"]
    work: Work
    """Its deadline is of the clock of the process that asks; `left_s` is for the replica."""
    left_s: float | None
    origin: Origin
    streams: bool = True
    """False: nobody listens for pieces, so none are sent."""
    among: Sequence[str] = ()
    """Names of the replicas that it had better go to; none: to any."""

    @property
    def keys(self) -> list[str]:
        """Digests of its adapters, by which replicas are a home of it or not."""
        return sorted({one.id.digest for one in self.work.adapters if one})


@dataclass(frozen=True)
class Alive:
    """The order lies at the replica of this name: sent at once, and again while there is nothing to say."""

    replica: str


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The first word is about to come."""

    held: tuple[str | None, ...]
    """Of each row the digest of the weights that lie in its slot; for the base's rows the base's `pinned`."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """The end of all that went well. What has no such end was lost on the way."""

    held: tuple[str | None, ...]
    """See `Begun`; of the weights that answered."""
    given: "Given" = field(repr=False)


@dataclass(frozen=True)
class Failed:
    """An error of `zoo.errors`."""

    kind: str
    about: Mapping[str, Any] = field(repr=False)


Given = tuple[Output, ...] | tuple[Look, ...] | None
"""What was ordered; of a load None."""
Item = Alive | Begun | Piece | Done | Failed


@dataclass(frozen=True, kw_only=True)
class Report:
    """How a replica stands."""

    replica: int
    """Its number, which the one that comes in its place takes over."""
    name: str
    """Its own alone."""
    base: str
    """`name@revision`."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """See `common`."""
    resident: tuple[AdapterId, ...]
    metrics: bytes = field(repr=False)


def common(settings: Settings) -> dict[str, object]:
    """What replicas and the server that asks them must have alike."""
    return settings.model_dump(include=_COMMON)


def failed(error: BaseException) -> Failed:
    """An error as data; of one that is not the zoo's only the type, for its message may quote a question."""
    if not isinstance(error, ZooError):
        what = f"the engine failed on this comparison ({type(error).__name__})"
        error = EngineFailed(what, hint="ask again")
    return Failed(type(error).__name__, dict(vars(error)))


def raised(failed: Failed) -> ZooError:
    """The error that it was."""
    kind = getattr(zoo.errors, failed.kind)
    error: ZooError = kind.__new__(kind, failed.about["message"])
    vars(error).update(failed.about)
    return error
