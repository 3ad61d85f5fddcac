"""A comparison whose text comes piece by piece to a thread that waits for it, in place of to callbacks.

Knows neither pages nor terminals; the engine's thread only ever puts pieces into a queue here.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue

from serving.core.requests import Answering, Comparison
from serving.service import Asked, Service
from zoo.asking import Piece

BREATH_S = 0.5
"""How long a burst is waited for; then an empty one is given, so that who reads can see to other things."""


class Live:
    """One comparison under way. Ask for its pieces in bursts, then for the whole of it."""

    def __init__(self, service: Service, asked: Asked) -> None:
        """Raises: see `Service.ask`."""
        self._pieces: SimpleQueue[Piece | None] = SimpleQueue()
        self._asking = service.ask(asked, self._pieces.put)
        self._whole: Comparison | None = None
        self._asking.ticket.done.add_done_callback(lambda done: self._pieces.put(None))

    @property
    def answering(self) -> tuple[Answering, ...]:
        """Who answers in each row."""
        return self._asking.answering

    def bursts(self, *, gather_s: float = 0.0) -> Generator[tuple[Piece, ...]]:
        """What has been said since the last burst, until all is said or it failed; `result` tells which.

        The pieces that come within `gather_s` of the first are given together, but for the very first words,
        which are given at once. A burst may be empty, and no two are more than half a second apart. An
        iterator that is closed early cancels the comparison.
        """
        try:
            ended = begun = False
            while not ended and not self._asking.overdue:
                burst = []
                with suppress(Empty):
                    burst.append(self._pieces.get(timeout=BREATH_S))
                    gathered = time.monotonic() + (gather_s if begun else 0.0)
                    begun = True
                    while burst[-1] is not None:
                        burst.append(self._pieces.get(timeout=max(0.0, gathered - time.monotonic())))
                    ended = True
                yield tuple(piece for piece in burst if piece is not None)
        except BaseException:  # closed early, or interrupted
            self.cancel()
            raise

    def __iter__(self) -> Iterator[Piece]:
        """Each piece as soon as it is said; raises what ended the comparison, if not all was said."""
        for burst in self.bursts():
            yield from burst
        self.result()

    def result(self) -> Comparison:
        """All of it, waited for.

        Raises:
            DeadlinePassed: it was not there in time.
            ZooError: what went wrong.
        """
        if self._whole is None:  # its time is taken once
            self._whole = self._asking.result()
        return self._whole

    def cancel(self) -> None:
        """Nobody wants the answers any more: their rows are freed."""
        self._asking.cancel()
