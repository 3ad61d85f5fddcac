"""Fakes of about twenty lines each: a model, a Hub, and a service on both."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.core.registry import Registry
from serving.engines.embedded import EmbeddedEngine
from serving.engines.model import Looked
from serving.library import Library
from serving.service import Service
from zoo.asking import Finish, Piece
from zoo.bases import Base
from zoo.errors import BadDeclaration, BadInput, NotOnHub, WrongBase
from zoo.hub import RepoRef

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


class FakeBatch:
    """Says `variant: prompt WxH`, a word a step, and notes which slots said it."""

    def __init__(self, model: "FakeModel", rows: Any) -> None:
        self.model, self.rows, self.said = model, rows, 0
        self.prompt_tokens = [sum(len(t.text.split()) for t in row.turns) for row in rows]
        self.open = tuple(range(len(rows)))
        self.prompts = [row.turns[-1].text for row in rows]
        model.batches.append([row.slot for row in rows])

    def words(self, number: int) -> list[str]:
        row = self.rows[number]
        said = f"{self.model.slots[row.slot]}: {self.prompts[number]} {row.features[0]}x{row.features[1]}"
        return said.split(" ")[: row.sampling.max_tokens]

    def step(self) -> list[Piece]:
        self.model.busy.set()
        self.model.gate.wait(120)
        self.model.steps.append(tuple(self.rows[row].slot for row in self.open))
        if any("explode" in prompt for prompt in self.prompts):
            raise RuntimeError(" ".join(self.prompts))
        if self.said and any("burst" in prompt for prompt in self.prompts):
            raise RuntimeError(" ".join(self.prompts))
        self.said += 1
        return [self._say(row) for row in self.open]

    def _say(self, row: int) -> Piece:
        words = self.words(row)
        finish: Finish | None = None
        if self.said == len(words):
            finish = "length" if self.said == self.rows[row].sampling.max_tokens else "stop"
            self.drop(row)
        text = words[self.said - 1]
        return Piece(row, text if self.said == 1 else f" {text}", self.said, finish)

    def drop(self, row: int) -> None:
        self.open = tuple(one for one in self.open if one != row)


class FakeModel:
    """Answers with the variant in the row's slot and the prompt, a word a step.

    Clear `gate` to hold it in `step`, `load_gate` to hold it in `load`; a prompt with `explode` breaks its
    batch at the first step, with `burst` at the second.
    """

    def __init__(self) -> None:
        self.slots: dict[int, str] = {0: "base"}
        self.digests: dict[int, str] = {0: ""}
        self.batches: list[list[int]] = []
        self.steps: list[tuple[int, ...]] = []
        self.looked: list[list[int]] = []
        self.encoded = 0
        self.read_from: list[str] = []
        self.loads = 0
        self.gate, self.load_gate = threading.Event(), threading.Event()
        self.gate.set()
        self.load_gate.set()
        self.busy = threading.Event()

    def encode(self, images: Any) -> tuple[Any, int]:
        self.encoded += 1
        return images[0].size, 8

    def check(self, features: Any, turns: Any, *, max_tokens: int) -> None:
        if "unspeakable" in turns[-1].text:
            raise BadInput("this cannot be asked")

    def look(self, features: Any, sizes: Any, turns: Any, slots: Any) -> list[Looked]:
        """Every adapter looks at the upper left; the base twice as much as usual, the next three times."""
        self.busy.set()
        self.gate.wait(120)
        if "gridless" in turns[-1].text:
            raise BadDeclaration("no grid")
        if "explode" in turns[-1].text:
            raise RuntimeError(turns[-1].text)
        self.looked.append(list(slots))
        ratios = np.ones((len(slots), 2, 3), dtype=np.float32)
        ratios[:, 0, 0] = [2 + slot for slot in slots]
        return [Looked(ratios, (0.0, 0.0, 1.0, 1.0)) for _ in sizes]

    def read(self, folder: Path) -> bytes:
        self.read_from.append(folder.name)
        return (folder / "adapter_model.safetensors").read_bytes()

    def load(self, slot: int, folder: Path, manifest: Any, content: bytes) -> None:
        self.loads += 1
        assert slot not in self.slots, "a slot was filled that holds an adapter"
        self.load_gate.wait(120)
        if manifest.base.name != "phantom":
            raise WrongBase(f"made for {manifest.base.name}")
        self.slots[slot] = manifest.variant.name
        self.digests[slot] = manifest.weights_sha256

    def digest(self, slot: int) -> str | None:
        return self.digests.get(slot)

    def clear(self, slot: int) -> None:
        del self.slots[slot], self.digests[slot]

    def begin(self, rows: Any) -> FakeBatch:
        return FakeBatch(self, rows)


class FakeHub:
    """Repos by name, each with a folder a commit; `main` moves by `heads`."""

    def __init__(self) -> None:
        self.folders: dict[tuple[str, str], Path] = {}
        self.heads: dict[str, str] = {}
        self.resolved: list[str] = []
        self.fetched: list[str] = []
        self.fault: Exception | None = None
        self.down: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def add(self, repo: str, sha: str, folder: Path) -> None:
        self.folders[repo, sha] = folder
        self.heads[repo] = sha

    def resolve(self, repo: str, revision: str) -> str:
        self.resolved.append(f"{repo}@{revision}")
        if self.down:
            raise self.down
        if repo not in self.heads:
            raise NotOnHub(f"no repo {repo}")
        return self.heads[repo] if revision == "main" else revision

    def last_resolved(self, repo: str, revision: str) -> str | None:
        return self.heads.get(repo)

    def fetch(self, repo: str, sha: str) -> Path:
        self.fetched.append(f"{repo}@{sha}")
        self.gate.wait(120)
        if self.fault:
            raise self.fault
        return self.folders[repo, sha]


@dataclass
class Rig:
    """A service on fakes, and the fakes."""

    service: Service
    model: FakeModel
    hub: FakeHub
    registry: Registry
    engine: EmbeddedEngine
    library: Library


@pytest.fixture
def make_rig(make_adapter: Any) -> Iterator[Callable[..., Rig]]:
    """Call it for a service on fakes with the adapters sft, text_hallu, mdpo, and other of another base."""
    with rigs(make_adapter) as make:
        yield make


@contextmanager
def rigs(make_adapter: Any) -> Iterator[Callable[..., Rig]]:
    """What makes services on fakes, all of which end with the block."""
    made: list[Rig] = []

    def make(*, slots: int = 4, clock: Any = None, **engine_options: Any) -> Rig:
        hub, model, registry = FakeHub(), FakeModel(), Registry(slots=slots)
        for number, variant in enumerate(("sft", "text_hallu", "mdpo")):
            folder = make_adapter(f"{len(made)}-{variant}", variant=variant, seed=number)
            hub.add(f"local/{variant}", str(number) * 40, folder)
        base = {"name": "llava", "repo": "x/llava", "revision": "e" * 40}
        hub.add("local/other", "9" * 40, make_adapter(f"{len(made)}-other", variant="other", base=base))
        aliases = {name: RepoRef(f"local/{name}") for name in ("sft", "text_hallu", "mdpo")}
        engine = EmbeddedEngine(model, registry, slots=slots, clock=clock or time.monotonic, **engine_options)
        library = Library(hub, registry, aliases, allow=("*",), resolve_every_s=0.0)
        service = Service(
            base=Base(
                repo="medvlm-zoo/phantom",
                revision="a" * 40,
                family="llava",
                license="apache-2.0",
                about="",
                name="phantom",
            ),
            engine=engine,
            library=library,
            registry=registry,
            timeout_s=20,
        )
        made.append(Rig(service, model, hub, registry, engine, library))
        return made[-1]

    yield make
    for rig in made:
        rig.model.gate.set()
        rig.model.load_gate.set()
        rig.service.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


@pytest.fixture
def image() -> Image.Image:
    grey = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


@pytest.fixture
def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def shared_data() -> Path:
    """Real scans beside the checkout; a test that needs them is skipped where they are absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real images: {DATA.name} is not beside this checkout")
    return DATA
