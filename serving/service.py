"""The use cases: compare, list the adapters, be healthy. REST and the page are two faces of this.

Holds no pixels and writes no question anywhere; images go to the engine and are forgotten.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.core.engine import Engine, OnDisk, Work
from serving.core.registry import Registry, Status
from serving.core.requests import BASE, AdapterId, Answer, Comparison, check_adapters, check_question
from serving.library import Library, Resolved
from zoo.errors import BadInput, Busy, ZooError
from zoo.manifest import Evaluation

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.bases import Base


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One adapter that can be asked by an alias, as it stands now."""

    alias: str
    written: str
    """`repo@revision` as the operator gave it."""
    adapter: AdapterId | None
    """None if it could not be brought here; `status.reason` tells why."""
    variant: str
    title: str
    base: str
    status: Status
    evaluation: tuple[Evaluation, ...] = ()

    @property
    def accuracy(self) -> Evaluation | None:
        """The score on all questions, if the manifest has one."""
        return next((e for e in self.evaluation if (e.metric, e.subset) == ("accuracy", "all")), None)


class Service:
    """One base, an engine that runs it, and the library of adapters."""

    def __init__(
        self,
        *,
        base: "Base",
        engine: Engine,
        library: Library,
        registry: Registry,
        max_adapters: int = 8,
        max_question_chars: int = 2000,
        timeout_s: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base
        self.max_adapters = max_adapters
        self._engine = engine
        self._library = library
        self._registry = registry
        self._max_question_chars = max_question_chars
        self._timeout_s = timeout_s
        self._clock = clock

    @property
    def ready(self) -> bool:
        """True when a question would be taken on."""
        return self._engine.alive

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every name that `adapters()` lists, without the base."""
        return tuple(self._library.aliases)

    def compare(self, images: Sequence["Image"], question: str, adapters: Sequence[str]) -> Comparison:
        """Put one question about the images to every adapter named; `base` is the base without any.

        Raises:
            BadInput: no or too many images or adapters, an empty or overlong question.
            UnknownName, NotOnHub, HubError: a name that cannot be resolved or fetched.
            BadAdapter: an adapter that must not be served here, `WrongBase` if it is another base's.
            Busy: the queue is full, or there was no answer in time.
        """
        arrived = self._clock()
        question = check_question(question, longest=self._max_question_chars)
        names = check_adapters(list(adapters), most=self.max_adapters)
        if not 1 <= len(images) <= self.base.max_images:
            raise BadInput(
                f"{len(images)} images in one question; {self.base.name} takes 1 to {self.base.max_images}"
            )
        resolved = [None if name == BASE else self._library.resolve(name) for name in names]
        brought = [None if one is None else self._library.bring(one) for one in resolved]
        work = Work(images=tuple(images), question=question, adapters=tuple(brought))
        waiting = self._engine.submit(work)
        try:
            outputs = waiting.result(timeout=self._timeout_s)
        except FutureTimeout:
            waiting.cancel()
            raise Busy(f"no answer within {self._timeout_s:.0f} s", hint="ask again later") from None
        answers = tuple(
            Answer(
                asked=name,
                adapter=adapter.id if adapter else AdapterId(self.base.repo, self.base.revision, ""),
                variant=adapter.manifest.variant.name if adapter else BASE,
                base=self.base.pinned,
                text=output.text,
                tokens=output.tokens,
                milliseconds=output.milliseconds,
                hub_unreachable=was is not None and was.hub_unreachable,
            )
            for name, was, adapter, output in zip(names, resolved, brought, outputs, strict=True)
        )
        milliseconds = (self._clock() - arrived) * 1000
        return Comparison(question=question, answers=answers, milliseconds=milliseconds)

    def prepare(self, alias: str) -> OnDisk:
        """Bring an adapter here and load it, so that its first question is as quick as the next.

        Raises:
            ZooError: it cannot be resolved, fetched or loaded; `Busy` if that was not done in time.
        """
        adapter = self._library.bring(self._library.resolve(alias))
        try:
            self._engine.warm(adapter).result(timeout=self._timeout_s)
        except FutureTimeout:
            raise Busy(
                f"{alias} was not loaded within {self._timeout_s:g} s",
                hint="give it longer in MEDZOO_TIMEOUT_S",
            ) from None
        return adapter

    def adapters(self) -> list[Listing]:
        """Every adapter with an alias, at the commit that its name stands for now."""
        return [self._listing(alias) for alias in self._library.aliases]

    def _listing(self, alias: str) -> Listing:
        written = str(self._library.aliases[alias])
        try:
            resolved: Resolved = self._library.resolve(alias)
            adapter = self._library.bring(resolved)
        except ZooError as error:
            return Listing(
                alias=alias,
                written=written,
                adapter=None,
                variant=alias,
                title="",
                base="",
                status=Status("failed", error.message),
            )
        manifest = adapter.manifest
        return Listing(
            alias=alias,
            written=written,
            adapter=adapter.id,
            variant=manifest.variant.name,
            title=manifest.variant.title,
            base=f"{manifest.base.name}@{manifest.base.revision}",
            status=self._registry.status(resolved.repo, resolved.sha),
            evaluation=tuple(manifest.evaluation),
        )

    def close(self) -> None:
        """End the engine."""
        self._engine.close()
