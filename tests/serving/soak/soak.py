"""The fingerprint soak: many clients, few slots, a Hub that fails, errors in batches; every answer is judged.

A run is bounded in requests and in time. What it found is a `Report`; an empty list of `wrong` is the proof.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.serving.soak.clients import LONGEST, QUESTIONS, Client
from tests.serving.soak.fingerprints import Forge
from tests.serving.soak.hub_faults import FAULTS, Faults, misbehaving
from tests.serving.soak.notes import Notes
from tests.serving.soak.processes import Served, served
from tests.serving.soak.server import SECRET
from tests.serving.soak.shelf import Shelf
from tests.serving.soak.verdict import BASE, faults_of
from zoo.asking import Sampling
from zoo.bases import get_base
from zoo.localhub.server import serving
from zoo.phantom.scans import make_scan
from zoo.vlm.generate import Row, generate
from zoo.vlm.model import VisionLanguageModel, load_base

REPOS, SLOTS = 24, 4
UNNAMED = 4
"""Further repos, which are served only while someone has given them a name."""
HUB_ANSWER_S = 1.0
"""How long the server waits for a Hub that is silent."""
RESOLVED_FOR_S = 1.0 + 2 * HUB_ANSWER_S
"""How old what a name stands for may be: a second by the library, and as long as the Hub was waited for."""
NAMED = frozenset(
    {
        (404, "UnknownName"),  # a name that was taken away meanwhile
        (429, "Busy"),
        (502, "HubError"),
        (503, "HubUnreachable"),
        (500, "EngineFailed"),
        (504, "DeadlinePassed"),
        (0, "EngineFailed"),
        (0, "DeadlinePassed"),
    }
)
"""The errors by which a request of a soak may end: status, 0 within a stream, and type."""
HELD = ("users", "holds", "open")
"""What the server must have given back at the end: uses of slots, holds, comparisons."""
QUIET_S = 30.0
"""How long the server may take to be idle once all clients are gone."""


WARM = 1 / 3
"""Share of a run after which the server is as large as it may be."""
GROWTH = 1.1
"""What it may grow by from then on, beside 16 MB."""


@dataclass(frozen=True)
class Size:
    """What a process takes."""

    rss: int
    """Resident memory, MB."""
    threads: int
    files: int
    """Open file descriptors, sockets included."""


@dataclass
class Report:
    """What a soak saw."""

    seconds: float
    requests: int
    actions: Counter[str]
    answers: int
    broken_off: int
    of_the_base: int
    unreachable: int
    """Answers that say that the Hub was out of reach."""
    errors: Counter[tuple[int, str]]
    hub: Counter[str]
    """Requests to the Hub by the fault that they met."""
    commits: int
    raised: int
    """Errors that were thrown into batches."""
    loads: int
    warm: Size
    end: Size
    wrong: list[str]

    def __str__(self) -> str:
        """A table for people."""
        lines = []
        for key, value in vars(self).items():
            if isinstance(value, Counter):
                value = ", ".join(f"{_said(name)} {count}" for name, count in sorted(value.items()))
            lines.append(f"{key.replace('_', ' '):12} {len(value) if key == 'wrong' else value}")
        return "\n".join([*lines, *self.wrong[:20]])


def _said(name: object) -> str:
    return " ".join(map(str, name)) if isinstance(name, tuple) else str(name)


class Soak:
    """A server on a Hub that may fail, and all that is known of what it must answer."""

    def __init__(
        self, server: Served, shelf: Shelf, faults: Faults, base_says: dict[tuple[int, str], str]
    ) -> None:
        self.server, self.shelf, self.faults, self.base_says = server, shelf, faults, base_says

    def run(self, *, requests: int, seconds: float, clients: int, seed: int = 0) -> Report:
        """Send requests until so many, or so many seconds, are over; then judge."""
        course = _Course(self, requests, seconds, seed)
        asyncio.run(course.run(clients))
        state = self._quiet()
        notes, warm, end = course.notes, course.warm, self.size()
        wrong = self.wrong(notes)
        held = {key: state[key] for key in HELD if state[key]}
        if held or state["slots"] != SLOTS:
            wrong.append(f"{QUIET_S} s after the last request {held} are held, of {state['slots']} slots")
        if end.rss > warm.rss * GROWTH + 16:
            wrong.append(f"the server grew from {warm.rss} to {end.rss} MB")
        if end.threads > warm.threads + 4 or end.files > warm.files + 8:
            wrong.append(f"threads or open files grew: {warm} to {end}, {state['threads']}")
        if SECRET in self.server.log.read_text():
            wrong.append("the log quotes an error's inside")
        return Report(
            seconds=round(course.took, 1),
            requests=course.done,
            actions=notes.actions,
            answers=sum(one.tokens is not None for one in notes.heard),
            broken_off=sum(one.tokens is None for one in notes.heard),
            of_the_base=sum(one.asked == BASE for one in notes.heard),
            unreachable=sum(one.hub_unreachable for one in notes.heard),
            errors=notes.errors,
            hub=Counter(self.faults.done),
            commits=sum(map(len, self.shelf.commits.values())),
            raised=state["raised"],
            loads=state["loads"],
            warm=warm,
            end=end,
            wrong=wrong,
        )

    def wrong(self, notes: Notes) -> list[str]:
        """What is wrong with anything that clients were told."""
        found = [f"an ending without a name: {one}" for one in notes.nameless]
        found += [f"an error that none may get: {one}" for one in notes.errors if one not in NAMED]
        found += [f"an error quotes the inside: {one}" for one in notes.messages if SECRET in one]
        for heard in notes.heard:
            found += faults_of(heard, self.shelf.commits, self.base_says, resolved_for_s=RESOLVED_FOR_S)
        return found

    def size(self) -> Size:
        """What the server takes now."""
        server = self.server
        return Size(server.status("VmRSS") // 1024, server.status("Threads"), server.open_files())

    def _quiet(self) -> dict[str, Any]:
        """The server's state once it is idle, or when it should be."""
        end = time.monotonic() + QUIET_S
        while any((state := self.server.state())[key] for key in HELD) and time.monotonic() < end:
            time.sleep(0.1)
        return state


class _Course:
    """One run's way from the first request to the last."""

    def __init__(self, soak: Soak, requests: int, seconds: float, seed: int) -> None:
        self._soak, self._requests, self._seconds, self._seed = soak, requests, seconds, seed
        self.notes, self.done, self.took = Notes(), 0, 0.0
        self.warm = soak.size()
        self._began = time.monotonic()

    @property
    def at(self) -> float:
        """How far it is, from 0 to 1."""
        self.took = time.monotonic() - self._began
        return max(self.done / self._requests, self.took / self._seconds)

    async def run(self, clients: int) -> None:
        await asyncio.gather(self._trouble(), *(self._client(number) for number in range(clients)))

    async def _client(self, number: int) -> None:
        shelf = self._soak.shelf
        client = Client(
            self._soak.server.url,
            named=shelf.names[:REPOS],
            unnamed=shelf.names[REPOS:],
            shas=shelf.shas,
            notes=self.notes,
            seed=self._seed * 1000 + number,
        )
        try:
            while self.at < 1:
                await client.act()
                self.done += 1
        finally:
            await client.close()

    async def _trouble(self) -> None:
        """A good Hub at first, then one that fails now and then, for a while one that fails always; and new
        versions all along."""
        faults, shelf, published, warming = self._soak.faults, self._soak.shelf, 0, True
        versions = shelf.left
        while (at := self.at) < 1:
            gone = 0.6 <= at < 0.7
            faults.kinds = ("500",) if gone else FAULTS
            faults.share = 1.0 if gone else 0.2 if at >= 0.1 else 0.0
            if warming and at >= WARM:
                warming, self.warm = False, self._soak.size()
            if published < versions * at:
                published += 1
                await asyncio.to_thread(shelf.publish)
            await asyncio.sleep(0.05)
        faults.share = 0.0


@contextmanager
def soaking(folder: Path, *, versions: int, raise_every: int = 150) -> Iterator[Soak]:
    """A server with `REPOS` adapters in `SLOTS` slots on a Hub that may fail; `versions` more are ready to be
    published under the same names."""
    vlm = load_base(get_base("phantom"), device="cpu")
    faults = Faults(silence_s=1.5 * HUB_ANSWER_S)
    with serving(folder / "hub") as hub, misbehaving(hub, faults) as address:
        shelf = Shelf(hub, Forge(vlm), folder / "adapters", repos=REPOS + UNNAMED, versions=versions)
        words = [word for repo in shelf.names[:REPOS] for word in ("--adapter", repo)]
        words += ["--hub", address, "--slots", str(SLOTS), "--port", "0", "--no-page", "--device", "cpu"]
        environment = {
            "HF_HOME": str(folder / "cache"),
            "HF_TOKEN": "local",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HUB_ETAG_TIMEOUT": "1",
            "MEDZOO_REQUESTS_PER_MINUTE": "1000000",
            "MEDZOO_BURST": "100000",
            "MEDZOO_TIMEOUT_S": "60",
            "MEDZOO_ALLOW": "soak/*",  # commits are asked for that no name stood for while the server looked
            "MEDZOO_MAX_WAITING_ROWS": "12",
            "SOAK_RAISE_EVERY": str(raise_every),
            "SOAK_HUB_ANSWER_S": str(HUB_ANSWER_S),
        }
        with served(words, folder / "server.log", environment=environment) as server:
            yield Soak(server, shelf, faults, _base_says(vlm))


def _base_says(vlm: VisionLanguageModel) -> dict[tuple[int, str], str]:
    """The base's answer to every question, by itself, as long as any is asked for."""
    features = {seed: vlm.encode_images([Image.fromarray(make_scan(seed).pixels)]) for seed, _ in QUESTIONS}
    rows = [Row(features[seed], prompt, 0, Sampling(max_tokens=LONGEST)) for seed, prompt in QUESTIONS]
    return {question: said.text for question, said in zip(QUESTIONS, generate(vlm, rows), strict=True)}
