"""One engine of a cluster, as Ray Serve runs it: the embedded engine, and what is sent of its answers.

It brings adapters here by itself, by `repo@sha`, and answers only with weights of the digest it was told. It
raises nothing: what Ray is told as an error it writes down.
"""

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from serving.cluster.wire import Alive, Begun, Done, Failed, Item, Order, Report, common, failed
from serving.core.engine import OnDisk, Work
from serving.core.origin import on_behalf
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.core.watch import Watch, guarded
from serving.defence.logs import set_up_logs
from serving.engines.embedded import IDLE_S
from serving.engines.opened import open_embedded
from serving.futures import arrived, post
from serving.library import Hub, Library, ZooHub
from serving.metrics import Metrics
from serving.settings import Settings
from zoo.asking import Piece
from zoo.bases import get_base
from zoo.errors import BadAdapter, DeadlinePassed, Stopped
from zoo.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME

FETCHING_S = 3600.0
"""Longest wait for an adapter's files, and for what an order asks, where it has no deadline."""
BEAT_S = 1.0
"""How often it says that an order still lies here."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which replica of its deployment it is; see `Report`."""

    number: int
    name: str


def place() -> Place:
    """What Ray Serve says of the replica that this process is."""
    from ray import serve

    told = serve.get_replica_context()
    return Place(number=int(told.rank.rank), name=told.replica_id.unique_id)


class Pulse(Watch):
    """When the engine last went round: it tells how many rows wait each time that it does, and does so every
    few seconds where nothing is asked of it."""

    def __init__(self) -> None:
        self._beat = time.monotonic()

    def queue(self, rows: int) -> None:
        """See `Watch`."""
        self._beat = time.monotonic()

    @property
    def age_s(self) -> float:
        """So long ago."""
        return time.monotonic() - self._beat


class EngineReplica:
    """An engine with a bank of its own."""

    def __init__(
        self, settings: Settings, *, where: Callable[[], Place] | None = None, hub: Hub | None = None
    ) -> None:
        set_up_logs(settings.log)
        base = get_base(settings.base)
        self._base, self._where, self._metrics, self._pulse = base.pinned, where or place, Metrics(), Pulse()
        self._settings = common(settings)
        # In one turn for half of a question's time; one that compiles may be.
        self._stuck_s = math.inf if settings.compile else max(4 * IDLE_S, settings.timeout_s / 2)
        watch = guarded(self._metrics, self._pulse)
        if settings.traces:
            from serving.traces import open_traces  # an extra's libraries

            watch = guarded(watch, open_traces(settings.traces, dropped=self._metrics.dropped))
        # Drawn, so that no two replicas number a load alike; JavaScript can still count so far.
        self._registry = Registry(slots=settings.slots, first_load=secrets.randbits(32) << 20 | 1)
        hub = hub or ZooHub(settings.hub, max_bytes=settings.max_adapter_bytes, folder=settings.shared_cache)
        self._library = Library(hub, self._registry, allow=("*",), watch=watch)
        self._engine = open_embedded(base, settings, self._registry, watch=watch)

    def check_health(self) -> None:
        """Ray Serve asks now and then, and replaces a replica that raises."""
        if not self._engine.alive:
            raise RuntimeError("the engine has ended")
        if self._stuck:
            raise RuntimeError("the engine is stuck")

    @property
    def _stuck(self) -> bool:
        return self._pulse.age_s > self._stuck_s

    async def run(self, order: Order) -> AsyncIterator[list[Item]]:
        """What becomes of an order, in bursts: pieces as they come; last of all `Done` or `Failed`."""
        said, here = asyncio.Queue[Item](), Alive(self._where().name)
        doing = asyncio.ensure_future(self._told(order, said.put_nowait))
        try:
            yield [here]
            over = False
            while not over:
                try:
                    async with asyncio.timeout(BEAT_S):
                        burst = [await said.get()]
                except TimeoutError:
                    burst = [failed(Stopped("the engine is stuck")) if self._stuck else here]
                while not said.empty():
                    burst.append(said.get_nowait())
                over = isinstance(burst[-1], Done | Failed)
                yield burst
        finally:
            doing.cancel()  # where nobody waits for it any more

    async def _told(self, order: Order, tell: Callable[[Item], None]) -> None:
        """Do as ordered, and tell what comes of it. What left here as an error would be written into logs."""
        loop = asyncio.get_running_loop()
        try:
            work = await self._brought(order)
            with on_behalf(order.origin):
                doing = self._begun(order, work, lambda item: post(loop, tell, item))
            try:
                tell(self._done(work, await arrived(doing, within_s=FETCHING_S)))
            finally:
                doing.cancel()
        except Exception as error:  # the edge
            tell(failed(error))

    async def unload(self, adapter: AdapterId) -> Failed | None:
        """Empty the adapter's slot, and wait until it is."""
        try:
            await arrived(self._engine.unload(adapter), within_s=FETCHING_S)
        except Exception as error:  # the edge, as above
            return failed(error)
        return None

    async def report(self, pinned: Iterable[tuple[str, str]]) -> Report:
        """How it stands; from now on these, by repo and commit, are evicted last."""
        self._registry.pinned = pinned
        taken = self._registry.occupied().values()
        where = self._where()
        return Report(
            replica=where.number,
            name=where.name,
            base=self._base,
            settings=self._settings,
            resident=tuple(one.load.adapter for one in taken if one.phase == "ready"),
            metrics=self._metrics.text(),
        )

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _begun(self, order: Order, work: Work, tell: Callable[[Item], None]) -> "Future[Any]":
        if order.kind == "look":
            return self._engine.look(work)
        if order.kind == "warm":
            adapter = next(one for one in work.adapters if one)
            return self._engine.warm(adapter, deadline=work.deadline)
        if not order.streams:
            return self._engine.submit(work).done
        begun = False

        def on_piece(piece: Piece) -> None:  # on the engine's thread, while the slots are held
            nonlocal begun
            if not begun:
                begun = True
                held = (self._base if one is None else self._engine.held(one.id) for one in work.adapters)
                tell(Begun(held=tuple(held)))
            tell(piece)

        return self._engine.submit(work, on_piece).done

    def _done(self, work: Work, given: Any) -> Done:
        if given is None:  # an adapter was loaded, and another may have its slot already
            held = [self._engine.held(one.id) or one.id.digest for one in work.adapters if one]
        else:
            rows = zip(work.adapters, given, strict=True)
            held = [one.digest if adapter else self._base for adapter, one in rows]
        return Done(held=tuple(held), given=given)

    async def _brought(self, order: Order) -> Work:
        """The work as this process can do it: files that lie here, a deadline of this clock."""
        deadline = None if order.left_s is None else time.monotonic() + order.left_s
        adapters = []
        for one in order.work.adapters:
            adapters.append(one and await self._here(one, order, deadline))
        return replace(order.work, adapters=tuple(adapters), deadline=deadline)

    async def _here(self, adapter: OnDisk, order: Order, deadline: float | None) -> OnDisk:
        names = (WEIGHTS_NAME, CONFIG_NAME, MANIFEST_NAME)
        if all((adapter.folder / name).is_file() for name in names):
            return adapter
        with on_behalf(order.origin):
            getting = self._library.get(str(adapter.id))
        left_s = FETCHING_S if deadline is None else deadline - time.monotonic()
        try:
            found = (await arrived(getting, within_s=left_s)).adapter
        except TimeoutError:
            raise DeadlinePassed(f"{adapter.id} was not fetched in time", hint="ask again later") from None
        if found.id != adapter.id:
            raise BadAdapter(
                f"{adapter.id} has weights of digest {found.id.digest[:12]} at this replica's Hub, and "
                f"{adapter.id.digest[:12]} at the server's",
                hint="let both ask the same Hub: MEDZOO_HUB",
            )
        return found
