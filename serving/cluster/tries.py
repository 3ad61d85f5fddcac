"""One order brought to its end by replicas, of which any may be lost, be silent or have no room.

A replica that is lost is one more way in which an answer is late: what it did not finish begins anew at
another, with the same digests, and nobody is told anything twice. No word is told and no answer given before
the digests that the replica's bank holds were held against those that were asked.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import aclosing
from dataclasses import replace

from serving.cluster.replicas import Replicas
from serving.cluster.told import Told
from serving.cluster.wire import Alive, Begun, Done, Failed, Given, Order, ReplicaLost, raised
from serving.core.origin import on_behalf
from serving.core.watch import Watch
from zoo.asking import Piece
from zoo.errors import EngineFailed, ZooError

log = logging.getLogger(__name__)

TRIES = 3
"""How many replicas an order may lose before it fails."""
AGAIN_S = 0.2
"""Before an order whose replica was lost begins anew; twice as long the next time."""


class _Elsewhere(Exception):
    """The order must go to another replica."""

    def __init__(self, reason: str, *, at: str, error: ZooError | None = None) -> None:
        super().__init__(reason)
        self.reason, self.at, self.error = reason, at, error


class _Refused(Exception):
    """What a replica says of the order, and has counted."""

    def __init__(self, error: ZooError) -> None:
        super().__init__()
        self.error = error


class Tries:
    """Gives orders to replicas of a base until one has done what was ordered."""

    def __init__(
        self,
        replicas: Replicas,
        *,
        base: str,
        standing: Callable[[], Collection[str]],
        watch: Watch,
        silent_s: float,
        again_s: float = AGAIN_S,
    ) -> None:
        """`standing` gives the names of the replicas that answer. One that says nothing for `silent_s`, not
        even that it has the order, is as one that is lost."""
        self._replicas, self._base, self._standing, self._watch = replicas, base, standing, watch
        self._silent_s, self._again_s = silent_s, again_s

    async def result(
        self, order: Order, *, left: Callable[[], float | None], tell: Callable[[Piece], None]
    ) -> Given:
        """What the first replica gives that is not lost; `left` are the seconds that it has.

        Raises:
            ZooError: what a replica says, Busy only if all do; EngineFailed: too many were lost with it, or
                one answered with other weights or otherwise than was told.
        """
        told, shunned, lost = Told(len(order.work.adapters)), set[str](), 0
        while True:
            among = tuple(name for name in self._standing() if name not in shunned)
            try:
                return await self._once(replace(order, left_s=left(), among=among), told, tell)
            except _Refused as refused:
                raise refused.error from None
            except ZooError as error:
                self._watch.failed(type(error).__name__)
                raise
            except _Elsewhere as why:
                if why.error and (why.at in shunned or not set(self._standing()) - shunned - {why.at}):
                    self._watch.failed(type(why.error).__name__)
                    raise why.error from None
                if why.reason == "silent" and not why.at and not self._standing():
                    continue  # nobody is there who could have taken it
                shunned.add(why.at)
                if not why.error:
                    lost += 1
                if lost == TRIES:
                    self._watch.failed(EngineFailed.__name__)
                    raise EngineFailed(
                        f"{TRIES} replicas were lost, one after the other, with this", hint="ask again"
                    ) from None
                self._watch.again(why.reason)
                if not why.error:
                    with on_behalf(order.origin):
                        log.warning("a replica was %s, what it had to do begins anew", why.reason)
                if why.reason == "lost":
                    await asyncio.sleep(self._again_s * lost)
                told.anew()

    async def _once(self, order: Order, told: Told, tell: Callable[[Piece], None]) -> Given:
        at, checked, loop = "", False, asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(self._silent_s) as silence,
                aclosing(self._replicas.run(order)) as sent,
            ):
                async for burst in sent:
                    silence.reschedule(loop.time() + self._silent_s)
                    for item in burst:
                        match item:
                            case Alive():
                                at = item.replica
                            case Begun():
                                self._check(order, item.held)
                                checked = True
                            case Piece():
                                if not checked:
                                    self._check(order, ())
                                if fresh := told.new(item):
                                    tell(fresh)
                            case Done():
                                self._check(order, item.held)
                                return item.given
                            case Failed(kind="Stopped"):  # a replica that ends is not the end of the answer
                                raise ReplicaLost
                            case Failed(kind="Busy"):
                                raise _Elsewhere("busy", at=at, error=raised(item))
                            case Failed():
                                raise _Refused(raised(item))
        except TimeoutError:
            raise _Elsewhere("silent", at=at) from None
        except ReplicaLost:
            pass
        raise _Elsewhere("lost", at=at)

    def _check(self, order: Order, held: Collection[str | None]) -> None:
        """Raise unless the weights in a replica's slots are those that were asked for."""
        wanted = [one.id.digest if one else self._base for one in order.work.adapters]
        if list(held) != wanted:
            log.error("a replica answers with other weights than it was asked for")
            raise EngineFailed(
                "a replica has other weights than were asked for, so its answers are withheld",
                hint="ask again; if it goes on, start the cluster again",
            )
