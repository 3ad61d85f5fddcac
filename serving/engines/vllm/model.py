"""vLLM as a `serving.engines.model.Model`: adapters are checked here and proved there, rows are streams.

It keeps the base's outline, tokenizer and image processor, so that questions are read as everywhere in the
zoo and compared with what vLLM reads, and no weights.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from serving.engines.model import Looked, Row
from serving.engines.vllm.adapters import Adapters, answered
from serving.engines.vllm.chat import Shown, data_url
from serving.engines.vllm.copies import Copies
from serving.engines.vllm.server import Lost, Server
from serving.engines.vllm.streams import Bell, Streams
from serving.engines.vllm.zeros import adapter_of_zeros
from zoo.asking import Turn
from zoo.bases import Base
from zoo.errors import BadAdapter, BadDeclaration, BadInput, Stopped
from zoo.manifest import AdapterManifest
from zoo.vllm import check_for_vllm
from zoo.vlm.adapter_config import read_config
from zoo.vlm.model import load_outline
from zoo.vlm.precision import DTYPES
from zoo.vlm.weights import (
    AdapterFiles,
    Extremes,
    check_digest,
    expected_tensors,
    found_tensors,
    hex_digest,
    lora_scale,
    read_weights,
    target_layers,
)

HEALTH_EVERY_S = 2.0
"""How often it is asked whether vLLM is there."""
CLOSE_S = 10.0
_SPARE = 16
"""Copies of adapters that nothing uses, beside as many as there are slots."""

_Got = TypeVar("_Got")


class VllmModel:
    """A base that a vLLM runs, with `slots` adapters."""

    def __init__(
        self,
        base: Base,
        server: Server,
        *,
        dtype: str,
        slots: int,
        max_rank: int,
        folder: Path | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Looks at the server; `dtype` is its precision, `folder` a directory that it sees too.

        Raises:
            EngineFailed: it does not answer, or reads questions otherwise than the base was taught.
        """
        self._vlm = load_outline(base)
        self._dtype, self._max_rank, self.server = dtype, max_rank, server
        self._targets = target_layers(self._vlm)
        self._copies = Copies(folder, most=slots + _SPARE)
        zeros = self._copies.put(adapter_of_zeros(self._targets, max_rank=max_rank), in_use=())
        self._adapters = Adapters(server, self._vlm, self._copies, zeros, dtype=dtype, slots=slots, say=say)
        self._bell, self._ending = Bell(), False
        self.reachable = True
        """False while vLLM does not say that it is well."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
        self._thread.start()
        try:
            self._run(answered(self._adapters.meet()))
        except BaseException:
            self.close()
            raise
        self._watching = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)

    def encode(self, images: Sequence[Image.Image]) -> tuple[Shown, int]:
        """The pictures as vLLM takes them, and the bytes they take."""
        shown = Shown(self._vlm.encode_images(images), tuple(data_url(image) for image in images))
        return shown, sum(map(len, shown.urls))

    def check(self, features: Shown, turns: Sequence[Turn], *, max_tokens: int) -> None:
        """Raise BadInput if these turns cannot be put to the base, or not with so long an answer."""
        ids = self._vlm.prompt_ids(tuple(turns), features.features)
        self._vlm.check_length(len(ids), max_tokens)
        longest = self._adapters.longest
        if longest is not None and len(ids) + max_tokens > longest:
            raise BadInput(
                f"the prompt has {len(ids)} tokens, its images' included, and {max_tokens} more are asked "
                f"for; vLLM was started for {longest} together",
                hint="shorten the question, ask for fewer tokens, or start vLLM with more --max-model-len",
            )

    def read(self, folder: Path) -> AdapterFiles:
        """See `zoo.vlm.bank.AdapterBank.read`."""
        return AdapterFiles(read_config(folder), read_weights(folder, self._targets, max_rank=self._max_rank))

    def load(self, slot: int, folder: Path, manifest: AdapterManifest, content: AdapterFiles) -> None:
        """Check an adapter as the bank does and for vLLM, then have it loaded and proved.

        Raises:
            BadAdapter: see `zoo.vlm.bank.AdapterBank.load`; or vLLM would not apply all of it, or does not.
            EngineFailed: vLLM does not answer, or its base is not ours.
        """
        if manifest.lora.r > self._max_rank:
            raise BadAdapter(
                f"rank {manifest.lora.r} is above max_rank, {self._max_rank}",
                hint=f"MEDZOO_MAX_RANK={manifest.lora.r}, and vLLM's --max-lora-rank with it",
            )
        expected = expected_tensors(self._vlm.base, self._targets, folder, manifest, content.config)
        check_digest(hex_digest(content.weights), folder, manifest)
        extremes = Extremes()
        for name, tensor in found_tensors(content.weights, expected, folder).items():
            extremes.add(name, tensor)
        extremes.settle(folder, manifest, scale=lora_scale(manifest), dtype=DTYPES[self._dtype])
        copy = self._copies.put(content, in_use=self._adapters.folders)
        judged = check_for_vllm(copy, self._vlm.base)
        if judged.faults or judged.unknown:
            why = judged.unknown or "; ".join(f"{one.what}: {one.value}" for one in judged.faults)
            raise BadAdapter(
                f"{manifest.variant.name}: vLLM would not apply it: {why}",
                hint="serve it with --engine embedded",
            )
        if self._ending:
            raise Stopped("the server is stopping")
        self._run(self._adapters.load(slot, copy, manifest))

    def digest(self, slot: int) -> str | None:
        """Digest of the weights in a slot."""
        return self._adapters.digest(slot)

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        self._run(self._adapters.clear(slot))

    def look(
        self, features: Any, sizes: Sequence[tuple[int, int]], turns: Sequence[Turn], slots: Sequence[int]
    ) -> list[Looked]:
        """vLLM keeps no attention to look at."""
        raise BadDeclaration(
            "vLLM does not tell where an adapter looks", hint="--engine embedded draws where it looks"
        )

    def begin(self, rows: Sequence[Row]) -> Streams:
        """The answers of these rows, each a stream."""
        return Streams(
            rows,
            server=self.server,
            adapters=self._adapters,
            vlm=self._vlm,
            bell=self._bell,
            loop=self._loop,
        )

    def interrupt(self) -> None:
        """End what is under way and load nothing more, so that nothing is waited for."""
        self._ending = True
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cancel)

    def close(self) -> None:
        """End every request, take the adapters' names away and remove the copies."""
        if not self._thread.is_alive():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._copies.close()

    def _run(self, coming: Coroutine[Any, Any, _Got]) -> _Got:
        return asyncio.run_coroutine_threadsafe(coming, self._loop).result()

    def _cancel(self) -> list[asyncio.Task[Any]]:
        others = [one for one in asyncio.all_tasks(self._loop) if one is not asyncio.current_task(self._loop)]
        for task in others:
            task.cancel()
        return others

    async def _end(self) -> None:
        others = self._cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*others, return_exceptions=True)
                await self._adapters.leave()
        await self.server.close()

    async def _watch(self) -> None:
        while True:
            try:
                await self.server.health()
                self.reachable = True
            except Lost:
                self.reachable = False
            await asyncio.sleep(HEALTH_EVERY_S)
