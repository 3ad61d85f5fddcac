"""The use cases: ask, compare, bring and drop adapters, list them, be healthy. REST, the page and Python are
faces of this.

Holds no pixels and writes no question anywhere; images go to the engine and are forgotten.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.core.engine import Engine, OnDisk, Output, Piece, Ticket, Work
from serving.core.registry import Registry, Status
from serving.core.requests import (
    BASE,
    AdapterId,
    Answer,
    Answering,
    Comparison,
    check_adapters,
    check_turns,
)
from serving.library import Library, Resolved
from zoo.asking import Sampling, Turn, question
from zoo.errors import BadInput, Busy, DeadlinePassed, ZooError
from zoo.manifest import Evaluation

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.bases import Base


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of the service, its images decoded."""

    images: tuple["Image", ...]
    turns: tuple[Turn, ...]
    adapters: tuple[str, ...]
    """Aliases, `repo`, `repo@revision`, or `base`; one row each."""
    sampling: Sampling | None = None
    """None: greedy, as long as the server allows."""
    client: str = ""
    """Who asks, for fairness; never an identifier of a patient."""


class Asking:
    """A comparison under way: who answers is known, the answers come."""

    def __init__(
        self,
        *,
        question: str,
        sampling: Sampling,
        answering: tuple[Answering, ...],
        ticket: Ticket,
        arrived: float,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self.answering = answering
        """One a row, in the order asked."""
        self.ticket = ticket
        self._question, self._sampling = question, sampling
        self._arrived, self._deadline, self._clock = arrived, deadline, clock

    @property
    def overdue(self) -> bool:
        """True once its time is over."""
        return self._clock() > self._deadline

    def cancel(self) -> None:
        """Nobody waits for the answers any more; their rows are freed."""
        self.ticket.cancel()

    def result(self) -> Comparison:
        """Wait for all answers.

        Raises:
            DeadlinePassed: they were not there in time; the rows are freed.
            ZooError: what went wrong.
        """
        try:
            outputs = self.ticket.done.result(timeout=max(0.0, self._deadline - self._clock()))
        except FutureTimeout:
            self.ticket.cancel()
            raise DeadlinePassed(
                f"no answer within {self._deadline - self._arrived:.0f} s", hint="ask again later"
            ) from None
        return self.comparison(outputs)

    def comparison(self, outputs: Sequence[Output]) -> Comparison:
        """The engine's outputs with all that is known of who gave them."""
        answers = tuple(
            Answer(
                asked=who.asked,
                adapter=who.adapter,
                variant=who.variant,
                base=who.base,
                hub_unreachable=who.hub_unreachable,
                seed=self._sampling.seed,
                load=output.load,
                text=output.text,
                finish=output.finish,
                tokens=output.tokens,
                prompt_tokens=output.prompt_tokens,
                first_token_ms=output.first_token_ms,
                milliseconds=output.milliseconds,
            )
            for who, output in zip(self.answering, outputs, strict=True)
        )
        took = (self._clock() - self._arrived) * 1000
        return Comparison(question=self._question, answers=answers, milliseconds=took)


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
        max_new_tokens: int = 64,
        timeout_s: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base
        self.max_adapters = max_adapters
        self.max_new_tokens = max_new_tokens
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

    def ask(self, asked: Asked, on_piece: Callable[[Piece], None] | None = None) -> Asking:
        """Resolve and bring every adapter named, and put the comparison to the engine.

        `on_piece` is called from the engine's thread with each piece of text as it comes.

        Raises:
            BadInput: no or too many images or adapters, an empty or overlong question, too many tokens.
            UnknownName, NotOnHub, HubError: a name that cannot be resolved or fetched.
            NotAllowed: a repo that the operator does not allow.
            BadAdapter: an adapter that must not be served here, `WrongBase` if it is another base's.
            Busy: the queue is full.
        """
        arrived = self._clock()
        turns = check_turns(asked.turns, longest=self._max_question_chars)
        names = check_adapters(list(asked.adapters), most=self.max_adapters)
        sampling = asked.sampling or Sampling(max_tokens=self.max_new_tokens)
        if sampling.max_tokens > self.max_new_tokens:
            raise BadInput(
                f"{sampling.max_tokens} new tokens are asked for, the limit is {self.max_new_tokens}"
            )
        count, placed = len(asked.images), sum(turn.images for turn in turns)
        if not 1 <= count <= self.base.max_images:
            raise BadInput(
                f"{count} images in one question; {self.base.name} takes 1 to {self.base.max_images}"
            )
        if placed != count:
            raise BadInput(f"{count} images are given and the conversation names {placed}")
        resolved = [None if name == BASE else self._library.resolve(name) for name in names]
        brought = [None if one is None else self._library.bring(one) for one in resolved]
        deadline = arrived + self._timeout_s
        work = Work(
            images=asked.images,
            turns=turns,
            adapters=tuple(brought),
            sampling=sampling,
            client=asked.client,
            deadline=deadline,
        )
        return Asking(
            question=turns[-1].text,
            sampling=sampling,
            answering=tuple(
                Answering(
                    asked=name,
                    adapter=adapter.id if adapter else AdapterId(self.base.repo, self.base.revision, ""),
                    variant=adapter.manifest.variant.name if adapter else BASE,
                    base=self.base.pinned,
                    hub_unreachable=was is not None and was.hub_unreachable,
                )
                for name, was, adapter in zip(names, resolved, brought, strict=True)
            ),
            ticket=self._engine.submit(work, on_piece),
            arrived=arrived,
            deadline=deadline,
            clock=self._clock,
        )

    def compare(
        self,
        images: Sequence["Image"],
        text: str,
        adapters: Sequence[str],
        *,
        sampling: Sampling | None = None,
        client: str = "",
    ) -> Comparison:
        """Put one question about the images to every adapter named, and wait; see `ask`.

        Raises:
            DeadlinePassed: there was no answer in time.
            ZooError: see `ask`.
        """
        return self.ask(
            Asked(
                images=tuple(images),
                turns=question(text, images=len(images)),
                adapters=tuple(adapters),
                sampling=sampling,
                client=client,
            )
        ).result()

    def prepare(self, alias: str, *, pin: bool = False) -> OnDisk:
        """Bring an adapter here and load it, so that its first question is as quick as the next.

        Raises:
            ZooError: it cannot be resolved, fetched or loaded; `Busy` if that was not done in time.
        """
        adapter = self._library.bring(self._library.resolve(alias))
        try:
            self._engine.warm(adapter, pin=pin).result(timeout=self._timeout_s)
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
