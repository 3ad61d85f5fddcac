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
from typing import Any, TypeVar

from PIL import Image

from serving.engines.vllm.chat import data_url, probe_body, question_body
from serving.engines.vllm.copies import Copies
from serving.engines.vllm.proof import prove_adapter, prove_base
from serving.engines.vllm.server import Lost, Refused, Server
from zoo.asking import Sampling, question
from zoo.errors import BadAdapter, EngineFailed
from zoo.manifest import AdapterManifest, Probe
from zoo.phantom.scans import make_scan
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel

log = logging.getLogger(__name__)

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
        self._process = 0.0
        """When the process began that was looked at last."""
        self._base = ""
        """The name of the adapter of zeros there."""
        self._base_said: dict[tuple[int, str, str], list[float]] = {}
        """By probe; of the process that is known."""
        self._probed: AdapterManifest | None = None
        """The last whose probe was put, by which a new process' base is known too."""

    def digest(self, slot: int) -> str | None:
        """Digest of the weights in a slot; from any thread."""
        found = self._slots.get(slot)
        return found.manifest.weights_sha256 if found else None

    @property
    def folders(self) -> set[Path]:
        """Those that vLLM may read; from any thread."""
        return {self._zeros, *(one.folder for one in list(self._slots.values()))}

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
            found = self._slots.pop(slot, None)
            if found is not None:
                await self._take(found.name)

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
        process, _ = await self._server.metrics()
        if process == self._process and all(self._in(slot).process == process for slot in slots if slot):
            return self._names(slots)
        async with self._lock:  # which a load may have, so only where there is something to do
            process = await self._meet()
            for slot in slots:
                if slot and (found := self._in(slot)).process != process:
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
            self._process = 0.0
        elif found is not None and found.name == name:
            self._slots[slot] = Loaded(name, found.manifest, found.folder, 0.0)

    async def _meet(self) -> float:
        """Look at the process that is there, if it is another one than before; when it began."""
        process, _ = await self._server.metrics()
        if process == self._process:
            return process
        self._base_said.clear()
        bases = [one["id"] for one in await self._server.models() if one.get("parent") is None]
        if len(bases) != 1:
            raise EngineFailed(
                f"vLLM at {self._server.url} names {len(bases)} bases: {', '.join(bases)[:200]}"
            )
        await self._same_words(bases[0])
        self._base = await self._load("base", self._zeros)
        if self._probed is not None:
            await self._prove_base(self._probed)
        _, most = await self._server.metrics()
        if most is not None and most < self._most:
            self._say(
                f"vLLM runs {most} adapters at once, and the slots and the base are {self._most}: what is "
                f"beyond waits there; start it with --max-loras {self._most}"
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
        check_words(reply.get("prompt_token_ids"), ours, base=self._vlm.base.name)

    async def _put(self, folder: Path, manifest: AdapterManifest, process: float) -> Loaded:
        if not manifest.probe.logps:
            raise BadAdapter(
                f"{manifest.variant.name}: its manifest has no probe, so that vLLM applies it cannot be seen",
                hint="serve it with --engine embedded",
            )
        await self._prove_base(manifest)
        name = await self._load(f"{manifest.variant.name}@{manifest.weights_sha256}", folder)
        try:
            said = await self._log_probs(name, manifest.probe)
            prove_adapter(said, manifest, dtype=self._dtype)
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
        return name

    async def _take(self, name: str) -> None:
        try:
            await self._server.unload(name)
        except (Lost, Refused) as error:  # nobody asks under it any more
            log.warning("vLLM did not unload an adapter: %s", type(error).__name__)

    async def _prove_base(self, manifest: AdapterManifest) -> None:
        probe = manifest.probe
        key = (probe.image_seed, probe.prompt, probe.response)
        if key not in self._base_said:
            self._base_said[key] = await self._log_probs(self._base, probe)
        prove_base(self._base_said[key], manifest, dtype=self._dtype, base=self._vlm.base.pinned)

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
        _check_name(reply, name)
        ids = reply.get("prompt_token_ids") or []
        count = len(prompt) + len(response)
        check_words(ids[:count], [*prompt, *response], base=self._vlm.base.name)
        told = (reply.get("prompt_logprobs") or [])[len(prompt) : count]
        return [entry[str(token)]["logprob"] for entry, token in zip(told, response, strict=True)]

    def _scan(self, seed: int) -> tuple[str, ImageFeatures]:
        scan = Image.fromarray(make_scan(seed).pixels)
        return data_url(scan), self._vlm.encode_images([scan])


def check_words(found: object, ours: list[int], *, base: str) -> None:
    """Raise EngineFailed unless vLLM has read a prompt as the tokens that the base was taught."""
    if found == ours:
        return
    theirs = found if isinstance(found, list) else []
    same = next((n for n, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), None)
    where = f"token {same} is another one" if same is not None else f"{len(theirs)} tokens, not {len(ours)}"
    raise EngineFailed(
        f"vLLM reads a question otherwise than {base} was taught: {where}",
        hint="its chat template, tokenizer or image processor is another one: start vLLM on the base's own "
        "folder, as `medzoo vllm-args` prints",
    )


def _check_name(reply: dict[str, Any], name: str) -> None:
    if reply.get("model") != name:
        raise EngineFailed(f"vLLM answered as {str(reply.get('model'))[:200]!r}, and {name!r} was asked")


async def answered(coming: Awaitable[_Got]) -> _Got:
    """The same, with an error for people where vLLM is not there."""
    try:
        return await coming
    except (Lost, Refused) as error:
        raise EngineFailed(
            f"vLLM does not answer as it should: {error}",
            hint="look at its log; `medzoo vllm-args` prints how to start it",
        ) from error
