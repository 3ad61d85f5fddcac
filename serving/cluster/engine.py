"""The engine whose work is done by replicas elsewhere; to the service it is as the one in its own process.

It takes questions on and hands back what became of them. How one is brought to its end over replicas that may
be lost is `tries`' to know, and which replicas there are `standing`'s. Knows no Ray; see `Replicas`.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from serving.cluster.replicas import Replicas
from serving.cluster.standing import LOOK_S, Standing
from serving.cluster.tries import AGAIN_S, Tries
from serving.cluster.wire import Order, failed, raised
from serving.core.engine import Look, OnDisk, Work
from serving.core.origin import on_behalf, origin
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.core.scheduler import check_room
from serving.core.watch import Watch, guarded
from zoo.asking import Piece, Sampling
from zoo.errors import BadAdapter, BadInput, DeadlinePassed, EngineFailed, Stopped, ZooError

log = logging.getLogger(__name__)

END_S = 10.0
"""Longest wait for what was cut off to be told so."""


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
        alike: Mapping[str, object] | None = None,
        silent_s: float = 15.0,
        watch: Watch | None = None,
        look_s: float = LOOK_S,
        again_s: float = AGAIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`base` is the `name@revision` that every replica must run, `alike` the settings that it must have;
        the numbers are those of one replica. One that says nothing for `silent_s` is lost.

        Raises:
            BadInput: a replica runs another base, or has other settings.
        """
        self._replicas, self._registry = replicas, registry
        self._max_slots, self._max_rows, self._max_waiting_rows = slots, max_rows, max_waiting_rows
        self._watch, self._clock = guarded(watch or Watch()), clock
        self._changed = threading.Condition()
        """Guards what is open, and the flags."""
        self._open: set[_Asked] = set()
        self._draining = self._closed = False
        self._standing = Standing(
            replicas,
            registry,
            base=base,
            alike=alike or {},
            watch=self._watch,
            answer_s=silent_s / 3,  # so that who is silent no longer stands when an order is taken elsewhere
            look_s=look_s,
        )
        if unlike := self._standing.look():
            raise BadInput(
                f"the cluster's replicas are not what this server asks for: {'; '.join(unlike)}",
                hint="say the same in the file that was deployed and to this server (MEDZOO_SLOTS and the "
                "like); docs/cluster.md",
            )
        self._tries = Tries(
            replicas,
            base=base,
            standing=lambda: self._standing.names,
            watch=self._watch,
            silent_s=silent_s,
            again_s=again_s,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._thread.start()
        self._standing.start()

    @property
    def alive(self) -> bool:
        """True while a replica runs that takes work."""
        return bool(self._standing.names) and not self._draining and not self._closed

    @property
    def metrics(self) -> Mapping[int, bytes]:
        """What each replica counted, by its number, as it was told last."""
        return self._standing.metrics

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
            running = max(1, len(self._standing.names))
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
                answers = [failed(EngineFailed("the replicas could not be asked", hint="do it again later"))]
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
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_cancelled(), self._loop).result(END_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_S)
        self._standing.close()
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
                end = await self._tries.result(
                    asked.order, left=lambda: self._left(asked), tell=lambda piece: self._tell(asked, piece)
                )
                self._note(asked)
        except TimeoutError:
            waited = self._clock() - asked.began
            end = self._counted(DeadlinePassed(f"no answer within {waited:.1f} s", hint="ask again later"))
        except ZooError as error:
            end = self._noted(asked, error)
        except asyncio.CancelledError:
            self._settle(asked, Stopped("the server is stopping"))  # where it was not cancelled itself
            raise
        except Exception as error:  # the edge: its message may quote a question
            with on_behalf(asked.order.origin):
                log.error("a comparison failed: %s", type(error).__name__)
            what = f"the engine failed on this comparison ({type(error).__name__})"
            end = self._counted(EngineFailed(what, hint="ask again"))
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
            mine = asked in self._open  # of two threads that settle it the first
            self._open.discard(asked)
            self._changed.notify_all()
        if not mine or not asked.done.set_running_or_notify_cancel():
            return
        if isinstance(end, Exception):
            asked.done.set_exception(end)
        else:
            asked.done.set_result(end)

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
                self._standing.loaded(one.id)

    def _noted(self, asked: _Asked, error: ZooError) -> ZooError:
        """What a replica said; where it is about the one adapter, that is how the adapter stands."""
        adapters = {one.id for one in asked.order.work.adapters if one}
        if isinstance(error, BadAdapter) and len(adapters) == 1:
            one = adapters.pop()
            self._registry.set_status(one.repo, one.sha, "failed", error.message)
        return error


async def _cancelled() -> None:
    """Cancel all else that the loop does, and wait for it."""
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
