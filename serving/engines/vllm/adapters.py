"""Which adapter vLLM has under which name, each proved by its probe on the very process that answers.

A name is made anew for every load and bears the digest, so neither a name nor a kept key of vLLM's is ever
shared by two adapters. A new process of vLLM's is told by when it began: it is looked at as the first one
was, and what a comparison needs is loaded and proved there again. For one event loop alone.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from serving.engines.vllm.chat import data_url, probe_body, question_body
from serving.engines.vllm.copies import Copies
from serving.engines.vllm.proof import prove_adapter, prove_base
from serving.engines.vllm.server import Lost, Refused, Server
from serving.engines.vllm.words import check_name, check_words
from zoo.asking import Sampling, question
from zoo.errors import BadAdapter, EngineFailed
from zoo.manifest import AdapterManifest, Probe
from zoo.phantom.scans import make_scan
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel

log = logging.getLogger(__name__)

_NO_SUCH_NAME = 404
_FORGOTTEN = 0.0
"""In the place of a process: whether a name is still there is not known."""

_Got = TypeVar("_Got")


@dataclass(frozen=True)
class Loaded:
    """An adapter under a name."""

    name: str
    manifest: AdapterManifest
    folder: Path
    process: float
    """When the process began that has it."""


class Adapters:
    """The base and the adapters in slots, as one vLLM has them; slot 0 is the base."""

    def __init__(
        self,
        server: Server,
        vlm: VisionLanguageModel,
        copies: Copies,
        zeros: Path,
        *,
        dtype: str,
        slots: int,
        say: Callable[[str], None],
    ) -> None:
        """`zeros` is the copy of an adapter as which the base is asked, `dtype` what vLLM was started with;
        `say` is told what its operator should know."""
        self._server, self._vlm, self._copies, self._zeros = server, vlm, copies, zeros
        self._dtype, self._most, self._say = dtype, slots + 1, say
        self._slots: dict[int, Loaded] = {}
        self._lock = asyncio.Lock()
        self._process = _FORGOTTEN
        """When the process began that was looked at last."""
        self._base = ""
        """The name of the adapter of zeros there."""
        self._base_said: dict[tuple[int, str, str], list[float]] = {}
        """By probe; of the process that is known."""
        self._probed: AdapterManifest | None = None
        """The last whose probe was put, by which a new process' base is known too."""
        self.longest: int | None = None
        """Tokens of a question and its answer that vLLM takes together, if it tells."""
        self._doubted = False

    def digest(self, slot: int) -> str | None:
        """Digest of the weights in a slot; from any thread."""
        found = self._slots.get(slot)
        return found.manifest.weights_sha256 if found else None

    @property
    def folders(self) -> set[Path]:
        """Those that vLLM may read; from any thread."""
        return {self._zeros, *(one.folder for one in list(self._slots.values()))}

    async def meet(self) -> None:
        """Look at the process that is there.

        Raises:
            Lost, Refused: it does not answer as it should.
            BadAdapter, EngineFailed: its base is not ours, or its limits are too low.
        """
        async with self._lock:
            await self._meet()

    async def load(self, slot: int, folder: Path, manifest: AdapterManifest) -> None:
        """Load the copy in `folder` and prove it.

        Raises:
            BadAdapter: vLLM refuses it, or answers with something else.
            EngineFailed: vLLM does not answer, or its base is not ours.
        """
        async with self._lock:
            process = await answered(self._meet())
            self._slots[slot] = await answered(self._put(folder, manifest, process))

    async def clear(self, slot: int) -> None:
        """Take the name of a slot away."""
        async with self._lock:
            if slot in self._slots:
                await self._take(self._slots[slot].name)
                del self._slots[slot]

    async def leave(self) -> None:
        """Take every name away: who asked under one whose copy is gone would end vLLM."""
        names = [self._base, *(one.name for one in self._slots.values())] if self._base else []
        self._slots.clear()
        for name in names:
            await self._take(name)

    async def settle(self, slots: Iterable[int]) -> dict[int, str]:
        """The names by which these slots answer on the process that is there now.

        Raises:
            Lost: it does not answer.
            BadAdapter, EngineFailed: see `load`.
        """
        slots = tuple(slots)
        if 0 in slots and self._probed is None and not self._doubted:
            self._doubted = True
            self._say(
                f"vLLM's base answers, and no adapter was loaded yet by whose probe it is known to be "
                f"{self._vlm.base.pinned}"
            )
        process, _ = await self._server.metrics()
        if process == self._process and all(self._in(slot).process == process for slot in slots if slot):
            return self._names(slots)
        async with self._lock:  # which a load may have, so only where there is something to do
            process = await self._meet()
            for slot in slots:
                if slot and (found := self._in(slot)).process != process:
                    if found.process == _FORGOTTEN:
                        await self._take(found.name)
                    self._slots[slot] = await self._put(found.folder, found.manifest, process)
            return self._names(slots)

    def _in(self, slot: int) -> Loaded:
        if slot not in self._slots:
            raise EngineFailed("an adapter left its slot before it was asked")
        return self._slots[slot]

    def _names(self, slots: Iterable[int]) -> dict[int, str]:
        return {slot: self._in(slot).name if slot else self._base for slot in slots}

    def forget(self, slot: int, name: str) -> None:
        """The server did not know the name of a slot: it is loaded anew before the next answer."""
        found = self._slots.get(slot)
        if slot == 0 and name == self._base:
            self._process = _FORGOTTEN
        elif found is not None and found.name == name:
            self._slots[slot] = Loaded(name, found.manifest, found.folder, _FORGOTTEN)

    async def _meet(self) -> float:
        """Look at the process that is there, if it is another one than before; when it began."""
        process, _ = await self._server.metrics()
        if process == self._process:
            return process
        self._base_said.clear()
        models = await self._server.models()
        bases = [one for one in models if one.parent is None]
        if len(bases) != 1:
            named = ", ".join(one.id for one in bases)[:200]
            raise EngineFailed(f"vLLM at {self._server.url} names {len(bases)} bases: {named}")
        await self._same_words(bases[0].id)
        self.longest = bases[0].max_model_len
        if self._base:  # of a process that is gone, most often
            await self._take(self._base)
        self._base = await self._load("base", self._zeros)
        if self._probed is not None:
            await self._prove_base(self._probed)
        _, most = await self._server.metrics()
        if most is not None and most < self._most:
            self._say(
                f"vLLM runs {most} adapters at once, and the slots and the base are {self._most}: what is "
                f"beyond waits there; start it with --max-loras {self._most}"
            )
        own = {self._base, *(one.name for one in self._slots.values())}
        if others := [one.id for one in models if one.parent is not None and one.id not in own]:
            self._say(
                f"vLLM has {len(others)} adapters that this server did not load, such as {others[0][:200]}: "
                "another server's, or of one that was killed. Answers stay right, and are slower"
            )
        self._process = process
        return process

    async def _same_words(self, name: str) -> None:
        """Whether vLLM reads a question about a scan as the tokens that the base was taught."""
        url, features = self._scan(0)
        ours = self._vlm.prompt_ids("What is shown?", features)
        asked = question_body(
            question("What is shown?"),
            [url],
            Sampling(max_tokens=1),
            ends=self._vlm.ends,
            unsaid=self._vlm.unsaid,
        )
        reply = await self._server.chat({**asked, "model": name})
        check_words(reply.prompt_token_ids, ours, base=self._vlm.base.name)

    async def _put(self, folder: Path, manifest: AdapterManifest, process: float) -> Loaded:
        if not manifest.probe.logps:
            raise BadAdapter(
                f"{manifest.variant.name}: its manifest has no probe, so that vLLM applies it cannot be seen",
                hint="serve it with --engine embedded",
            )
        base_said = await self._prove_base(manifest)
        name = await self._load(f"{manifest.variant.name}@{manifest.weights_sha256}", folder)
        try:
            said = await self._log_probs(name, manifest.probe)
            prove_adapter(said, manifest, dtype=self._dtype, base_said=base_said)
        except BaseException:
            await self._take(name)
            raise
        self._probed = manifest
        return Loaded(name, manifest, folder, process)

    async def _load(self, called: str, folder: Path) -> str:
        """Load a copy; its name there."""
        self._copies.check(folder)
        name = f"{called}#{secrets.token_hex(6)}"
        try:
            await self._server.load(name, str(folder))
        except Refused as error:
            await self._server.health()
            raise BadAdapter(
                f"vLLM refuses {called.partition('@')[0]}: {error}",
                hint="`medzoo vllm-args` prints how to start it; --engine embedded serves what it cannot",
            ) from error
        except asyncio.CancelledError:  # and vLLM may have it by now
            await self._take(name)
            raise
        return name

    async def _take(self, name: str) -> None:
        try:
            await self._server.unload(name)
        except (Lost, Refused) as error:  # nobody asks under it any more
            if getattr(error, "status", None) != _NO_SUCH_NAME:
                log.warning("vLLM did not unload an adapter: %s", type(error).__name__)

    async def _prove_base(self, manifest: AdapterManifest) -> list[float]:
        """What it said to the adapter's probe."""
        probe = manifest.probe
        key = (probe.image_seed, probe.prompt, probe.response)
        if key not in self._base_said:
            self._base_said[key] = await self._log_probs(self._base, probe)
        prove_base(self._base_said[key], manifest, dtype=self._dtype, base=self._vlm.base.pinned)
        return self._base_said[key]

    async def _log_probs(self, name: str, probe: Probe) -> list[float]:
        url, features = self._scan(probe.image_seed)
        prompt, response = (
            self._vlm.prompt_ids(probe.prompt, features),
            self._vlm.response_ids(probe.response),
        )
        try:
            reply = await self._server.chat({**probe_body(probe.prompt, probe.response, url), "model": name})
        except Refused as error:  # such as a log-prob that is no number
            raise BadAdapter(f"vLLM cannot put the probe to {name}: {error}") from error
        check_name(reply.model, name)
        count = len(prompt) + len(response)
        check_words(reply.prompt_token_ids[:count], [*prompt, *response], base=self._vlm.base.name)
        told = (reply.prompt_logprobs or [])[len(prompt) : count]
        found = [one[token] for one, token in zip(told, response, strict=False) if one and token in one]
        return [one.logprob for one in found]  # too few of them are nobody's

    def _scan(self, seed: int) -> tuple[str, ImageFeatures]:
        scan = Image.fromarray(make_scan(seed).pixels)
        return data_url(scan), self._vlm.encode_images([scan])


async def answered(coming: Awaitable[_Got]) -> _Got:
    """The same, with an error for people where vLLM is not there."""
    try:
        return await coming
    except (Lost, Refused) as error:
        raise EngineFailed(
            f"vLLM does not answer as it should: {error}",
            hint="look at its log; `medzoo vllm-args` prints how to start it",
        ) from error
