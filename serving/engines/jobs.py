"""A comparison from submission to its end, as the embedded engine sees it; it is the caller's ticket too."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from traceback import format_tb
from typing import Any

from serving.core.engine import Look, OnDisk, Output, Work
from serving.core.origin import on_behalf, origin
from serving.core.registry import Hold, Load
from serving.core.requests import AdapterId
from serving.core.watch import Course
from zoo.asking import Piece
from zoo.errors import EngineFailed, ZooError

log = logging.getLogger(__name__)


class Job:
    """A comparison, or a look at where its adapters look; or, without `rows`, the loading of its adapters for
    their own sake."""

    def __init__(
        self,
        work: Work,
        *,
        rows: int,
        pin: bool = False,
        looks: bool = False,
        submitted: float,
        on_piece: Callable[[Piece], None] | None = None,
    ) -> None:
        self.work = work
        self.pin = pin
        self.submitted = submitted
        self.began: float | None = None
        """When its batch began."""
        self.first_token: float | None = None
        self.origin = origin()
        self.on_disk = {adapter.id: adapter for adapter in work.adapters if adapter is not None}
        self.adapters: tuple[AdapterId, ...] = tuple(self.on_disk)
        self.client = work.client
        self.rows = rows
        self.hold: Hold | None = None
        self.ready_at: float | None = None
        self.looks = looks
        self.alone = looks
        self.told = False
        """True once somebody was told a piece, so that it cannot be begun anew."""
        self.done: Future[Any] = Future()
        self._on_piece = on_piece

    def load_of(self, adapter: OnDisk | None) -> Load | None:
        """The load that an adapter of a placed comparison answers from; None for the base."""
        if adapter is None or self.hold is None:
            return None
        return next(load for load in self.hold.loads if load.adapter == adapter.id)

    def cancel(self) -> None:
        """See `serving.core.engine.Ticket`."""
        self.done.cancel()

    def tell(self, piece: Piece) -> None:
        """Hand a piece to whoever listens; a listener that fails is one that has gone away."""
        if self._on_piece is None or self.done.cancelled():
            return
        self.told = True
        try:
            self._on_piece(piece)
        except Exception as error:  # the edge: the listener is another's code
            with on_behalf(self.origin):
                log.error("a listener failed: %s", type(error).__name__)
            self.cancel()

    def settle(self, end: "tuple[Output, ...] | tuple[Look, ...] | Exception | None") -> None:
        """The end of it, unless it was cancelled before. Once."""
        if not self.done.set_running_or_notify_cancel():
            return
        if isinstance(end, Exception):
            self.done.set_exception(end)
        else:
            self.done.set_result(end)

    def course(self, end: Any, *, now: float) -> Course:
        """How it went, if `end` is its end."""
        began = now if self.began is None else self.began
        first = now if self.first_token is None else self.first_token
        answers = end if isinstance(end, tuple) and not self.looks else ()
        return Course(
            looks=self.looks,
            adapters=tuple(one.id if one else None for one in self.work.adapters),
            waited_s=began - self.submitted,
            first_s=first - began,
            decoded_s=now - first,
            tokens=tuple(one.tokens for one in answers),
            finish=tuple(one.finish for one in answers),
            error=type(end).__name__ if isinstance(end, BaseException) else "",
        )


def named(error: Exception, *jobs: Job, whole: bool = True) -> ZooError:
    """The error that comparisons end with: a ZooError as it is, if it is `whole`ly about this one.
    Any other is told and logged by its type alone, for its message may quote a question."""
    if whole and isinstance(error, ZooError):
        return error
    where = "".join(format_tb(error.__traceback__))
    with on_behalf(*(job.origin for job in jobs)):
        log.error("a comparison failed: %s\n%s", type(error).__name__, where)
    return EngineFailed(f"the engine failed on this comparison ({type(error).__name__})")
