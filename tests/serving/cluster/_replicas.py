"""Replicas that do as a test wrote down beforehand."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image

from serving.cluster.wire import Begun, Done, Failed, Item, Order, Report
from serving.core.engine import OnDisk, Output, Work
from serving.core.requests import AdapterId
from zoo.asking import Piece, Sampling, question

BASE = "phantom@" + "a" * 40
FIRST = AdapterId("zoo/first", "1" * 40, "d1")
SECOND = AdapterId("zoo/second", "2" * 40, "d2")


def work(*adapters: AdapterId | None, **more: Any) -> Work:
    """A question to these; None is the base."""
    manifest: Any = SimpleNamespace()
    return Work(
        images=(Image.new("L", (8, 8)),),
        turns=question("What?"),
        adapters=tuple(one and OnDisk(one, Path("nowhere"), manifest) for one in adapters),
        **({"sampling": Sampling()} | more),
    )


def output(text: str, digest: str) -> Output:
    return Output(
        text=text,
        tokens=1,
        prompt_tokens=1,
        finish="stop",
        first_token_ms=1.0,
        milliseconds=1.0,
        load=1 if digest else 0,
        digest=digest,
    )


def says(*words: str, digest: str = "d1") -> list[Item]:
    """All that a replica sends of one row."""
    pieces = [Piece(0, word, n, None) for n, word in enumerate(words[:-1], start=1)]
    last = Piece(0, words[-1], len(words), "stop")
    given = (output("".join(words), "" if digest == BASE else digest),)
    return [
        Begun(held=(digest,)),
        *pieces,
        last,
        Done(held=(digest,), given=given),
    ]


class Scripted:
    """Gives each order the next script: items, each a burst of its own, or an exception that is raised, or
    an `asyncio.Event` that is waited for, or seconds."""

    def __init__(self, *scripts: Sequence[Item | Exception | asyncio.Event | float]) -> None:
        self.scripts = deque(scripts)
        self.orders: list[Order] = []
        self.running: list[Report] = [report(0)]
        self.asked_for: list[frozenset[tuple[str, str]]] = []
        self.unloaded: list[AdapterId] = []
        self.unloads: list[Failed | None] = [None]
        self.waiting, self.cancelled = threading.Event(), threading.Event()
        self.closed = 0

    async def run(self, order: Order) -> AsyncGenerator[list[Item], None]:
        self.orders.append(order)
        for item in self.scripts.popleft():
            if isinstance(item, Exception):
                raise item
            if isinstance(item, asyncio.Event):
                self.waiting.set()
                try:
                    await item.wait()
                finally:
                    self.cancelled.set()
            elif isinstance(item, float):
                await asyncio.sleep(item)
            else:
                yield [item]

    def unload(self, adapter: AdapterId) -> list[Failed | None]:
        self.unloaded.append(adapter)
        return self.unloads

    def reports(self, pinned: frozenset[tuple[str, str]], *, timeout_s: float) -> list[Report]:
        self.asked_for.append(pinned)
        return self.running

    def close(self) -> None:
        self.closed += 1


def report(
    number: int, *resident: AdapterId, base: str = BASE, metrics: bytes = b"", **settings: Any
) -> Report:
    return Report(
        replica=number, name=f"r{number}", base=base, settings=settings, resident=resident, metrics=metrics
    )
