"""Fakes of about twenty lines each: a model, a Hub, and a service on both."""

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.core.registry import Registry
from serving.engines.embedded import EmbeddedEngine
from serving.library import Library
from serving.service import Service
from zoo.bases import Base
from zoo.errors import NotOnHub, WrongBase
from zoo.hub import RepoRef

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@dataclass(frozen=True)
class Said:
    text: str
    tokens: int


class FakeModel:
    """Answers with the variant in the row's slot and the prompt. Set `gate` to hold it in `generate`."""

    def __init__(self) -> None:
        self.slots: dict[int, str] = {0: "base"}
        self.batches: list[list[int]] = []
        self.encoded = 0
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()

    def encode(self, images: Any) -> tuple[Any, int]:
        self.encoded += 1
        return images[0].size, 8

    def load(self, slot: int, folder: Path, manifest: Any) -> None:
        assert slot not in self.slots, "a slot was filled that holds an adapter"
        if manifest.base.name != "phantom":
            raise WrongBase(f"made for {manifest.base.name}")
        self.slots[slot] = manifest.variant.name

    def clear(self, slot: int) -> None:
        del self.slots[slot]

    def generate(self, rows: Any) -> list[Said]:
        self.busy.set()
        self.gate.wait(10)
        self.batches.append([slot for _, _, slot in rows])
        if any("explode" in prompt for _, prompt, _ in rows):
            raise RuntimeError(f"secret {rows}")
        return [Said(f"{self.slots[slot]}: {prompt} {size[0]}x{size[1]}", 3) for size, prompt, slot in rows]


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
        self.gate.wait(10)
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
    made: list[Rig] = []

    def make(*, slots: int = 4, clock: Any = None, **engine_options: Any) -> Rig:
        hub, model, registry = FakeHub(), FakeModel(), Registry(slots=slots)
        for number, variant in enumerate(("sft", "text_hallu", "mdpo")):
            folder = make_adapter(f"{len(made)}-{variant}", variant=variant, seed=number)
            hub.add(f"local/{variant}", str(number) * 40, folder)
        base = {"name": "llava", "repo": "x/llava", "revision": "e" * 40}
        hub.add("local/other", "9" * 40, make_adapter(f"{len(made)}-other", variant="other", base=base))
        aliases = {name: RepoRef(f"local/{name}") for name in ("sft", "text_hallu", "mdpo")}
        engine = EmbeddedEngine(model, registry, slots=slots, **engine_options)
        library = Library(hub, registry, aliases)
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
