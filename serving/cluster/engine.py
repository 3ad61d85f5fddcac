"""The engine whose work is done by replicas elsewhere; to the service it is as the one in its own process.

A replica that is lost is one more way in which an answer is late: what it did not finish begins anew
elsewhere, with the same digests, and nobody is told anything twice. No answer is given before the digests
that the replica's bank held were held against those that were asked. Knows no Ray; see `Replicas`.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from serving.cluster.told import Told
from serving.cluster.wire import Begun, Done, Failed, Item, Order, ReplicaLost, Report, raised
from serving.core.engine import Look, OnDisk, Output, Work
from serving.core.origin import on_behalf, origin
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.core.scheduler import check_room
from serving.core.watch import Watch, guarded
from zoo.asking import Piece, Sampling
from zoo.errors import BadAdapter, BadInput, DeadlinePassed, EngineFailed, Stopped, ZooError

log = logging.getLogger(__name__)

TRIES = 3
"""How many replicas a comparison may lose before it fails."""
AGAIN_S = 0.2
"""Before a comparison begins anew; twice as long the next time."""
LOOK_S = 1.0
"""How often the replicas are asked how they stand."""
REPORT_S = 10.0
"""Longest wait for that; one that takes longer does not count as running."""
END_S = 10.0
"""Longest wait for what was cut off to be told so."""


class Replicas(Protocol):
    """The replicas of one deployment."""

    def run(self, order: Order, *, keys: Sequence[str]) -> AsyncGenerator[list[Item], None]:
        """Give an order to one, best to a home of these digests, and what it sends; closing this cancels it.
        Waits until there is a replica.

        Raises:
            ReplicaLost: it is no more.
        """

    def unload(self, adapter: AdapterId) -> list[Failed | None]:
        """Have each empty an adapter's slot, and wait for all that answer."""

    def reports(self, pinned: frozenset[tuple[str, str]], *, timeout_s: float) -> list[Report]:
        """How each stands that answers in time; told what is evicted last."""

    def close(self) -> None:
        """Nothing more is asked. Once."""


@dataclass(eq=False)
class _Asked:
    """An order under way; it is the caller's ticket too."""

    order: Order
    began: float
    on_piece: Callable[[Piece], None] | None = None
    rows: int = 0
    done: "Future[Any]" = field(default_factory=Future)

    def cancel(self) -> None:
        """See `serving.core.engine.Ticket`."""
        self.done.cancel()


class RemoteEngine:
    """Asks replicas of one base. A registry here remembers where adapters are, and decides nothing."""

    def __init__(
        self,
        replicas: Replicas,
        registry: Registry,
        *,
        base: str,
        slots: int,
        max_rows: int = 16,
        max_waiting_rows: int = 64,
        watch: Watch | None = None,
        look_s: float = LOOK_S,
        again_s: float = AGAIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`base` is the `name@revision` that every replica must run; the numbers are those of one replica.

        Raises:
            BadInput: a replica runs another base.
        """
        self._replicas, self._registry, self._base = replicas, registry, base
        self._max_slots, self._max_rows, self._max_waiting_rows = slots, max_rows, max_waiting_rows
        self._watch, self._clock = guarded(watch or Watch()), clock
        self._look_s, self._again_s = look_s, again_s
        self._changed = threading.Condition()
        """Guards what is open, the flags and the reports."""
        self._open: set[_Asked] = set()
        self._draining = self._closed = False
        self._reports: list[Report] = []
        self._resident: set[AdapterId] = set()
        self._look()
        if others := sorted({one.base for one in self._reports} - {base}):
            raise BadInput(f"the cluster runs {', '.join(others)} and not {base}", hint="set --base to that")
        self._loop = asyncio.new_event_loop()
        self._threads = [
            threading.Thread(target=self._loop.run_forever, name="engine", daemon=True),
            threading.Thread(target=self._keep_looking, name="replicas", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """True while a replica runs that takes work."""
        with self._changed:
            return bool(self._reports) and not self._draining and not self._closed

    @property
    def metrics(self) -> Mapping[int, bytes]:
        """What each replica counted, by its number, as it was told last."""
        with self._changed:
            return {one.replica: one.metrics for one in self._reports}

    def submit(self, work: Work, on_piece: Callable[[Piece], None] | None = None) -> _Asked:
        """Take a comparison on; see `serving.core.engine.Engine`."""
        return self._ask("answer", work, rows=self._rows(work), on_piece=on_piece)

    def look(self, work: Work) -> "Future[tuple[Look, ...]]":
        """Say where a comparison's adapters look; see `serving.core.engine.Engine`."""
        return self._ask("look", work, rows=self._rows(work)).done

    def warm(self, adapter: OnDisk, *, pin: bool = False, deadline: float | None = None) -> "Future[None]":
        """Load an adapter at one of its homes, with every check; see `serving.core.engine.Engine`. That it is
        pinned all replicas are told."""
        work = Work(images=(), turns=(), adapters=(adapter,), sampling=Sampling(), deadline=deadline)
        if pin:
            self._registry.pin(adapter.id)
        return self._ask("warm", work, rows=0).done

    def _rows(self, work: Work) -> int:
        rows, adapters = len(work.adapters), {one.id for one in work.adapters if one}
        if not rows or rows > self._max_rows or len(adapters) > self._max_slots:
            most = min(self._max_rows, self._max_slots)
            raise BadInput(f"{rows} adapters in one comparison, this engine runs at most {most}")
        return rows

    def check_room(self, *, rows: int, client: str) -> None:
        """Raise Busy or Stopped if so many rows could not wait; see `serving.core.engine.Engine`. While none
        runs a question is taken on, and waits for a replica as long as it has time."""
        with self._changed:
            if self._draining or self._closed:
                raise Stopped("the engine is stopping and takes no more work", hint="start the server again")
            running = max(1, len(self._reports))
            under_way = sum(one.rows for one in self._open)
            check_room(
                waiting_rows=max(0, under_way - running * self._max_rows),
                own_rows=sum(one.rows for one in self._open if one.order.work.client == client),
                rows=rows,
                max_waiting_rows=running * self._max_waiting_rows,
            )

    def unload(self, adapter: AdapterId) -> "Future[None]":
        """Empty the adapter's slot at every replica; see `serving.core.engine.Engine`."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()
        self._registry.unload(adapter)  # a pin ends with it

        def ask() -> None:
            try:
                answers = self._replicas.unload(adapter)
            except Exception as error:  # the edge: whatever it was, it is this future's
                log.error("an adapter could not be unloaded: %s", type(error).__name__)
                answers = [Failed("EngineFailed", {"message": "the replicas could not be asked", "hint": ""})]
            wrong = [one for one in answers if one]
            if wrong:
                done.set_exception(raised(wrong[0]))
            else:
                done.set_result(None)

        threading.Thread(target=ask, name="unload", daemon=True).start()
        return done

    def drain(self, *, timeout_s: float) -> bool:
        """Take no more work and wait for what is under way; False if that took longer."""
        with self._changed:
            self._draining = True
            return self._changed.wait_for(lambda: not self._open, timeout=timeout_s)

    def close(self) -> None:
        """End now: whatever is not finished fails with Stopped."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            left = list(self._open)
            self._changed.notify_all()
        for one in left:
            self._settle(one, Stopped("the server is stopping"))
        asyncio.run_coroutine_threadsafe(_cancelled(), self._loop).result(END_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(REPORT_S + END_S)
        self._replicas.close()

    def _ask(
        self,
        kind: Literal["answer", "look", "warm"],
        work: Work,
        *,
        rows: int,
        on_piece: Callable[[Piece], None] | None = None,
    ) -> _Asked:
        order = Order(kind=kind, work=work, left_s=None, origin=origin(), streams=on_piece is not None)
        asked = _Asked(order, self._clock(), on_piece, rows)
        with self._changed:
            self.check_room(rows=rows, client=work.client)
            self._open.add(asked)
        doing = asyncio.run_coroutine_threadsafe(self._see_to(asked), self._loop)
        asked.done.add_done_callback(lambda done: doing.cancel() if done.cancelled() else None)
        return asked

    async def _see_to(self, asked: _Asked) -> None:
        """Bring an order to its end, whatever it is."""
        end: Any
        try:
            async with asyncio.timeout(self._left(asked)):
                end = await self._tried(asked)
        except TimeoutError:
            waited = self._clock() - asked.began
            end = self._counted(DeadlinePassed(f"no answer within {waited:.1f} s", hint="ask again later"))
        except ZooError as error:
            end = error
        except asyncio.CancelledError:
            self._settle(asked, None)
            raise
        except Exception as error:  # the edge: its message may quote a question
            with on_behalf(asked.order.origin):
                log.error("a comparison failed: %s", type(error).__name__)
            end = self._counted(
                EngineFailed(f"the engine failed on this comparison ({type(error).__name__})")
            )
        self._settle(asked, end)

    def _left(self, asked: _Asked) -> float | None:
        deadline = asked.order.work.deadline
        return None if deadline is None else deadline - self._clock()

    def _counted(self, error: ZooError) -> ZooError:
        """An error that no replica has counted."""
        self._watch.failed(type(error).__name__)
        return error

    def _settle(self, asked: _Asked, end: Any) -> None:
        with self._changed:
            self._open.discard(asked)
            mine = not asked.done.done() and asked.done.set_running_or_notify_cancel()
            self._changed.notify_all()
        if not mine:
            return
        if isinstance(end, Exception):
            asked.done.set_exception(end)
        else:
            asked.done.set_result(end)

    async def _tried(self, asked: _Asked) -> tuple[Output, ...] | tuple[Look, ...] | None:
        """What the first replica gives that is not lost."""
        told = Told(asked.rows)
        for number in range(TRIES):
            if number:
                with on_behalf(asked.order.origin):
                    log.warning("a replica was lost, what it had to do begins anew")
                await asyncio.sleep(self._again_s * number)
                told.anew()
            try:
                return await self._once(asked, told)
            except ReplicaLost:
                continue
        raise self._counted(
            EngineFailed(f"{TRIES} replicas were lost, one after the other, with this", hint="ask again")
        )

    async def _once(self, asked: _Asked, told: Told) -> tuple[Output, ...] | tuple[Look, ...] | None:
        work = asked.order.work
        keys = sorted({one.id.digest for one in work.adapters if one})
        order = replace(asked.order, left_s=self._left(asked))
        async with aclosing(self._replicas.run(order, keys=keys)) as sent:
            async for burst in sent:
                for item in burst:
                    match item:
                        case Piece():
                            if fresh := told.new(item):
                                self._tell(asked, fresh)
                        case Begun():
                            self._check(work, item.held)
                        case Done():
                            self._check(work, item.held)
                            self._note(asked)
                            return item.given
                        case Failed(kind="Stopped"):  # a replica that ends is not the end of the answer
                            raise ReplicaLost
                        case Failed():
                            raise self._refused(asked, raised(item))
        raise ReplicaLost

    def _check(self, work: Work, held: Sequence[str | None]) -> None:
        """Raise unless the weights in a replica's slots are those that were asked for."""
        wanted = [one.id.digest if one else self._base for one in work.adapters]
        if list(held) != wanted:
            log.error("a replica answers with other weights than it was asked for")
            raise self._counted(
                EngineFailed("a replica has other weights than were asked for, so its answers are withheld")
            )

    def _tell(self, asked: _Asked, piece: Piece) -> None:
        """Hand a piece to whoever listens; a listener that fails is one that has gone away."""
        if asked.on_piece is None or asked.done.done():
            return
        try:
            asked.on_piece(piece)
        except Exception as error:  # the edge: the listener is another's code
            with on_behalf(asked.order.origin):
                log.error("a listener failed: %s", type(error).__name__)
            asked.cancel()

    def _note(self, asked: _Asked) -> None:
        """Its adapters are in slots now."""
        for one in asked.order.work.adapters:
            if one:
                with self._changed:
                    self._resident.add(one.id)
                self._registry.set_status(one.id.repo, one.id.sha, "resident")

    def _refused(self, asked: _Asked, error: ZooError) -> ZooError:
        """What a replica said; where it is about the one adapter, that is how the adapter stands."""
        adapters = {one.id for one in asked.order.work.adapters if one}
        if isinstance(error, BadAdapter) and len(adapters) == 1:
            one = adapters.pop()
            self._registry.set_status(one.repo, one.sha, "failed", error.message)
        return error

    # What follows runs on the thread that looks.

    def _keep_looking(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, timeout=self._look_s):
                    return
            self._look()

    def _look(self) -> None:
        """Ask the replicas how they stand."""
        try:
            reports = self._replicas.reports(self._registry.pinned, timeout_s=REPORT_S)
        except Exception as error:  # the edge: a cluster that is away is one without replicas
            log.error("the replicas could not be asked: %s", type(error).__name__)
            reports = []
        resident = {adapter for one in reports for adapter in one.resident}
        with self._changed:
            gone, self._resident = self._resident - resident, resident
            self._reports = sorted(reports, key=lambda one: one.replica)
        for one in gone:
            self._registry.set_status(one.repo, one.sha, "on_disk")
        for one in resident:
            self._registry.set_status(one.repo, one.sha, "resident")


async def _cancelled() -> None:
    """Cancel all else that the loop does, and wait for it."""
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
