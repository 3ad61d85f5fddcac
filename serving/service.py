"""The use cases: ask, compare, look, bring and drop adapters, list them, be healthy. REST, the page and
Python are faces of this.

Holds no pixels and writes no question anywhere; images go to the engine and are forgotten.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from serving.asking import Asked as Asked
from serving.asking import Asking as Asking
from serving.asking import Checked, too_late
from serving.asking import Opening as Opening
from serving.core.engine import Engine, OnDisk, Work
from serving.core.registry import Registry
from serving.core.requests import BASE, AdapterId, Answering, Comparison, Heat, check_adapters, check_turns
from serving.core.watch import Watch
from serving.futures import arrived
from serving.library import Brought, Library
from serving.listing import Listing as Listing
from serving.listing import list_adapter
from serving.metrics import Metrics
from zoo.asking import Piece, Sampling, question
from zoo.errors import BadInput, Busy, DeadlinePassed, ZooError
from zoo.hub import parse_ref

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.bases import Base

LISTING_S = 15.0
"""How long a list of the adapters waits for the Hub."""


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
        metrics: Metrics | None = None,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base
        self.metrics = metrics or Metrics()
        self.watch = watch or self.metrics
        """Told what the metrics count, and perhaps others with them."""
        self.max_adapters = max_adapters
        self.max_new_tokens = max_new_tokens
        self._engine = engine
        self._library = library
        self._registry = registry
        self._max_question_chars = max_question_chars
        self._timeout_s = timeout_s
        self._clock = clock
        self._leaving = False

    @property
    def ready(self) -> bool:
        """True when a question would be taken on."""
        return self._engine.alive and not self._leaving

    def leave(self) -> None:
        """From now on it is not ready, so that questions go elsewhere. What comes is still answered."""
        self._leaving = True

    @property
    def allow(self) -> tuple[str, ...]:
        """Patterns of the repos that may be asked for beside the aliases."""
        return self._library.names.allow

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every name that `adapters()` lists, without the base."""
        return tuple(self._library.names.aliases)

    def ask(self, asked: Asked, on_piece: Callable[[Piece], None] | None = None) -> Asking:
        """Resolve and bring every adapter named, and put the comparison to the engine.

        `on_piece` is called from the engine's thread with each piece of text as it comes.

        Raises:
            BadInput: no or too many images or adapters, an empty or overlong question, too many tokens.
            UnknownName, NotOnHub, HubError: a name that cannot be resolved or fetched.
            NotAllowed: a repo that the operator does not allow.
            BadAdapter: an adapter that must not be served here, `WrongBase` if it is another base's.
            Busy: the queue is full.
            DeadlinePassed: the Hub took too long.
        """
        with self._counted():
            checked = self._check(asked, images=len(asked.images))
            return self._put(checked, asked.images, self._bring(checked), on_piece)

    def look(self, asked: Asked) -> tuple[Heat, ...]:
        """Where every adapter named looks in the images when it is about to answer, waited for. What it would
        say is not drawn, so `sampling` is not read.

        Raises:
            BadDeclaration: the base's image tokens are no grid that is known, or a layer does not see them.
            ZooError: see `ask`.
        """
        with self._counted():
            checked = self._check(asked, images=len(asked.images))
            brought = self._bring(checked)
            looking = self._engine.look(self._work(checked, asked.images, brought))
        try:
            looks = looking.result(timeout=self._left(checked.deadline))
        except FutureTimeout:
            raise too_late(self._timeout_s) from None
        finally:
            looking.cancel()  # where nobody waits for it any more
        return tuple(
            Heat(**vars(who), maps=one.maps, peak=one.peak, load=one.load)
            for who, one in zip(self._answering(checked, brought), looks, strict=True)
        )

    async def begin(
        self, asked: Asked, on_piece: Callable[[Piece], None] | None = None, *, opening: Opening
    ) -> Asking:
        """The same for a caller in an event loop, which is not held up meanwhile; see `ask`.

        The images are opened last, when the adapters are here and the engine has room, and within the
        question's time.

        Raises:
            ZooError: see `ask`, and what `opening` raises.
        """
        with self._counted():
            checked = self._check(asked, images=sum(turn.images for turn in asked.turns))
            try:
                brought = {
                    name: await arrived(one, within_s=self._left(checked.deadline))
                    for name, one in self._get(checked.names).items()
                }
                async with asyncio.timeout(self._left(checked.deadline)):
                    images = await self._opened(opening)
            except TimeoutError:
                raise too_late(self._timeout_s) from None
            return self._put(checked, images, brought, on_piece)

    async def _opened(self, opening: Opening) -> "tuple[Image, ...]":
        began, wrong = self._clock(), ""
        images: tuple[Image, ...] = ()
        try:
            images = await opening()
        except BaseException as error:  # also where nobody waits for them any more
            wrong = type(error).__name__
            raise
        finally:
            pixels = sum(image.width * image.height for image in images)
            self.watch.images(len(images), pixels, self._clock() - began, wrong)
        return images

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Tell of what is turned away before the engine, which tells of its own, has it."""
        try:
            yield
        except (Busy, DeadlinePassed) as error:
            self.watch.failed(type(error).__name__)
            raise

    def _check(self, asked: Asked, *, images: int) -> Checked:
        now = self._clock()
        turns = check_turns(asked.turns, longest=self._max_question_chars)
        names = check_adapters(list(asked.adapters), most=self.max_adapters)
        wanted = asked.sampling or Sampling(max_tokens=self.max_new_tokens)
        sampling = replace(wanted, max_tokens=min(wanted.max_tokens, self.max_new_tokens))
        placed = sum(turn.images for turn in turns)
        if not 1 <= images <= self.base.max_images:
            raise BadInput(
                f"{images} images in one question; {self.base.name} takes 1 to {self.base.max_images}",
                hint="ask about each by itself" if images else "give one",
            )
        if placed != images:
            raise BadInput(
                f"{images} images are given and the conversation names {placed}", hint="name each once"
            )
        self._engine.check_room(rows=len(names), client=asked.client)
        return Checked(asked, turns, names, sampling, now, now + self._timeout_s)

    def _bring(self, checked: Checked) -> dict[str, Brought]:
        """Every adapter named, waited for."""
        try:
            return {
                name: one.result(timeout=self._left(checked.deadline))
                for name, one in self._get(checked.names).items()
            }
        except FutureTimeout:
            raise too_late(self._timeout_s) from None

    def _get(self, names: Sequence[str]) -> "dict[str, Future[Brought]]":
        return {name: self._library.get(name) for name in names if name != BASE}

    def _put(
        self,
        checked: Checked,
        images: "tuple[Image, ...]",
        brought: Mapping[str, Brought],
        on_piece: Callable[[Piece], None] | None,
    ) -> Asking:
        work = self._work(checked, images, brought)
        submitted = self._clock()
        return Asking(
            question=checked.turns[-1].text,
            sampling=checked.sampling,
            answering=self._answering(checked, brought),
            ticket=self._engine.submit(work, on_piece),
            arrived=checked.arrived,
            submitted=submitted,
            deadline=checked.deadline,
            clock=self._clock,
        )

    def _work(self, checked: Checked, images: "tuple[Image, ...]", brought: Mapping[str, Brought]) -> Work:
        found = [brought.get(name) for name in checked.names]
        return Work(
            images=images,
            turns=checked.turns,
            adapters=tuple(one.adapter if one else None for one in found),
            sampling=checked.sampling,
            client=checked.asked.client,
            deadline=checked.deadline,
        )

    def _answering(self, checked: Checked, brought: Mapping[str, Brought]) -> tuple[Answering, ...]:
        """Who answers in each row."""
        itself = AdapterId(self.base.repo, self.base.revision, "")
        found = [brought.get(name) for name in checked.names]
        return tuple(
            Answering(
                asked=name,
                adapter=one.adapter.id if one else itself,
                variant=one.adapter.manifest.variant.name if one else BASE,
                base=self.base.pinned,
                hub_unreachable=one is not None and one.resolved.hub_unreachable,
            )
            for name, one in zip(checked.names, found, strict=True)
        )

    def _left(self, deadline: float) -> float:
        return max(0.0, deadline - self._clock())

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
            ZooError: it cannot be resolved, fetched or loaded; `DeadlinePassed` if loading took too long.
        """
        adapter = self._library.get(alias).result().adapter
        loading = self._engine.warm(adapter, pin=pin, deadline=self._clock() + self._timeout_s)
        try:
            loading.result(timeout=self._timeout_s)
        except (FutureTimeout, DeadlinePassed):
            raise _not_loaded(alias, self._timeout_s) from None
        finally:
            loading.cancel()  # where nobody waits for it any more
        return adapter

    async def load(self, alias: str, written: str, *, replace: bool = False) -> OnDisk:
        """Bring an adapter here by `repo` or `repo@revision`, load it with every check, and only then let the
        alias stand for it. Whoever may call this may name any repo: no pattern has to allow it.

        Raises:
            BadInput: the alias cannot be given, or is there already and `replace` is False.
            ZooError: the adapter cannot be resolved, fetched or loaded; the alias is as it was before.
        """
        ref = parse_ref(written)
        self._library.names.check(alias, replace=replace)
        deadline = self._clock() + self._timeout_s
        try:
            adapter = (await arrived(self._library.get(alias, ref), within_s=self._timeout_s)).adapter
            loading = self._engine.warm(adapter, deadline=deadline)
            try:
                await arrived(loading, within_s=self._left(deadline))
            finally:
                loading.cancel()  # where nobody waits for it any more
        except (TimeoutError, DeadlinePassed):
            raise _not_loaded(alias, self._timeout_s) from None
        await asyncio.to_thread(self._library.names.name, alias, ref, replace=replace)
        self._library.names.stands_for(ref, adapter.id.sha)
        return adapter

    async def unload(self, alias: str) -> None:
        """Take an alias away, then empty the slots of its adapter as soon as no answer needs them. One whose
        repo has another alias stays.

        Raises:
            UnknownName: there is none of that name.
            DeadlinePassed: answers still need the slots; they are emptied once those have ended.
        """
        repo = (await asyncio.to_thread(self._library.names.forget, alias)).repo
        if any(repo == other.repo for other in self._library.names.aliases.values()):
            return
        leaving = [self._engine.unload(adapter.id) for adapter in self._library.here(repo)]
        deadline = self._clock() + self._timeout_s
        try:
            for one in leaving:
                await arrived(one, within_s=self._left(deadline))
        except TimeoutError:
            raise DeadlinePassed(
                f"{alias} is gone as a name, but answers still need it after {self._timeout_s:g} s"
            ) from None

    def adapters(self) -> list[Listing]:
        """Every adapter with an alias, at the commit that its name stands for now."""
        getting = self._get_all()
        wait([one for _, _, one in getting], timeout=LISTING_S)
        return [list_adapter(*one, registry=self._registry) for one in getting]

    async def listed(self) -> list[Listing]:
        """The same for a caller in an event loop."""
        getting = self._get_all()
        deadline = self._clock() + LISTING_S
        for _, _, one in getting:
            with suppress(TimeoutError, ZooError):
                await arrived(one, within_s=self._left(deadline))
        return [list_adapter(*one, registry=self._registry) for one in getting]

    async def find(self, asked: str) -> Listing:
        """One adapter by any name that could be asked.

        Raises:
            ZooError: it cannot be resolved or fetched.
        """
        one = self._library.get(asked)
        try:
            await arrived(one, within_s=self._timeout_s)
        except TimeoutError:
            raise too_late(self._timeout_s) from None
        return list_adapter(asked, str(self._library.names.ref(asked)), one, registry=self._registry)

    def _get_all(self) -> "list[tuple[str, str, Future[Brought]]]":
        return [
            (alias, str(ref), self._library.get(alias)) for alias, ref in self._library.names.aliases.items()
        ]

    def stood_for(self, alias: str, repo: str, sha: str) -> None:
        """Let a commit be asked for that an alias was before this server began."""
        self._library.names.stood_for(alias, repo, sha)

    def drain(self, *, timeout_s: float) -> bool:
        """Take no more questions and wait for the answers under way; False if that took longer."""
        return self._engine.drain(timeout_s=timeout_s)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()


def _not_loaded(alias: str, timeout_s: float) -> DeadlinePassed:
    return DeadlinePassed(
        f"{alias} was not loaded within {timeout_s:g} s", hint="give it longer in MEDZOO_TIMEOUT_S"
    )
