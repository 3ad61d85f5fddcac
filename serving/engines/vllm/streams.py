"""The answers of one comparison under way, one stream a row, as a batch of the embedded engine's turns.

Tasks of the event loop read the streams; the engine's thread takes what they brought. A row whose process
was lost before it said anything is asked once more, its adapter loaded anew; later its error is told.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import cast, get_args

from serving.engines.model import Row
from serving.engines.vllm.adapters import Adapters
from serving.engines.vllm.chat import question_body
from serving.engines.vllm.server import Lost, Refused, Server
from serving.engines.vllm.words import check_name, check_words
from zoo.asking import Finish, Piece
from zoo.errors import EngineFailed
from zoo.vlm.decode import decoded
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.text import Text

TURN_S = 0.02
"""Longest that a step waits for a piece of any batch; then the engine sees what else there is to do."""


class Bell:
    """Says which batches have something to tell, so that none waits for its own while another has some."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung: set[Streams] = set()

    def ring(self, batch: "Streams") -> None:
        """It has something to tell."""
        with self._changed:
            self._rung.add(batch)
            self._changed.notify_all()

    def wait(self, batch: "Streams") -> None:
        """Until any batch has, not for long; what `batch` has is taken."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._rung), timeout=TURN_S)
            self._rung.discard(batch)

    def forget(self, batch: "Streams") -> None:
        """Nobody asks it any more."""
        with self._changed:
            self._rung.discard(batch)


class Streams:
    """Rows that answer; see `serving.engines.model.Batch`."""

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        server: Server,
        adapters: Adapters,
        vlm: VisionLanguageModel,
        bell: Bell,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._server, self._adapters, self._vlm, self._bell, self._loop = server, adapters, vlm, bell, loop
        self._rows = rows
        self._ids = [vlm.prompt_ids(row.turns, row.features.features) for row in rows]
        self.prompt_tokens = [len(ids) for ids in self._ids]
        self._open = list(range(len(rows)))
        self._said: deque[Piece | Exception] = deque()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._all: Future[None] | None = None

    @property
    def open(self) -> tuple[int, ...]:
        """Rows that still answer."""
        return tuple(self._open)

    def step(self) -> list[Piece]:
        """What has come, for whose first piece it waits a moment."""
        if self._all is None:
            self._all = asyncio.run_coroutine_threadsafe(self._run(), self._loop)
        self._bell.wait(self)
        pieces = []
        while self._said:
            one = self._said.popleft()
            if isinstance(one, Exception):
                raise one
            if one.row in self._open:
                pieces.append(one)
                if one.finish:
                    self._open.remove(one.row)
        return pieces

    def drop(self, row: int) -> None:
        """End a row whose answer nobody wants, at the server too."""
        if row not in self._open:
            return
        self._open.remove(row)
        if self._open:
            self._loop.call_soon_threadsafe(self._end, row)
        elif self._all is not None:
            self._all.cancel()
            self._bell.forget(self)

    # All that follows runs in the event loop.

    def _end(self, row: int) -> None:
        if row in self._tasks:
            self._tasks[row].cancel()

    async def _run(self) -> None:
        self._names = asyncio.ensure_future(self._adapters.settle({row.slot for row in self._rows}))
        self._names.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # rows tell it, if any
        async with asyncio.TaskGroup() as group:
            for row in range(len(self._rows)):
                self._tasks[row] = group.create_task(self._row(row))

    async def _row(self, row: int) -> None:
        try:
            await self._answer(row)
        except Exception as error:  # the edge: the engine's thread raises it
            self._tell(error)

    def _tell(self, said: Piece | Exception) -> None:
        self._said.append(said)
        self._bell.ring(self)

    async def _answer(self, row: int) -> None:
        for again in (False, True):
            said = False
            try:
                slot = self._rows[row].slot
                names = await (self._adapters.settle([slot]) if again else asyncio.shield(self._names))
                async for piece in self._pieces(row, names[slot]):
                    said = True
                    self._tell(piece)
            except Lost as error:
                if said or again:
                    raise EngineFailed(
                        f"vLLM was lost while it answered: {error}",
                        hint="ask again; if it stays so, look at vLLM's log",
                    ) from error
            except Refused as error:
                raise EngineFailed(
                    f"vLLM refuses the question ({error.status})",  # its words may quote the question
                    hint="its log says why; --max-model-len must have room for question and answer",
                ) from error
            else:
                return

    async def _pieces(self, number: int, name: str) -> AsyncIterator[Piece]:
        row = self._rows[number]
        body = question_body(
            row.turns, row.features.urls, row.sampling, ends=self._vlm.ends, unsaid=self._vlm.unsaid
        )
        text = Text(partial(decoded, self._vlm.tokenizer), row.sampling.stop)
        tokens, known, ended = 0, False, False
        stream = self._server.stream({**body, "model": name})
        try:
            async for chunk in stream:
                check_name(chunk.model, name)
                if not known:
                    check_words(chunk.prompt_token_ids, self._ids[number], base=self._vlm.base.name)
                    known = True
                for choice in chunk.choices:
                    new = ""
                    if ended or tokens + len(choice.token_ids or ()) > row.sampling.max_tokens:
                        raise Lost("more came than an answer")
                    for token in choice.token_ids or ():
                        tokens += 1
                        new += "" if token in self._vlm.ends else text.add(token)
                        if text.ended:
                            yield Piece(number, new + text.rest(), tokens, "stop")
                            return  # leaving the stream ends the request
                    if why := choice.finish_reason:
                        if why not in get_args(Finish):
                            raise Lost(f"an end without an answer: {why[:20]}")
                        ended = True
                        last = Piece(number, new + text.rest(), tokens, cast(Finish, why))
                    elif new:
                        yield Piece(number, new, tokens)
            if not ended:
                raise Lost("the stream has no end")
            yield last
        except Lost:
            self._adapters.forget(row.slot, name)
            raise
        finally:
            await stream.aclose()
