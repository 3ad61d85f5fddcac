"""A vLLM that is none, and an engine on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from serving.core.engine import OnDisk, Work
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.engines.vllm.engine import VllmEngine
from serving.engines.vllm.model import VllmModel
from serving.engines.vllm.server import Server
from tests._adapters import random_adapter
from tests.serving.engines.vllm._fake import FakeVllm
from zoo.asking import Sampling, question
from zoo.bases import get_base
from zoo.manifest import Probe, write_manifest
from zoo.vlm.model import load_outline

BASE = [-1.0, -2.0, -3.0]
RESPONSE = "left"


class Outline:
    """Reads questions as the base was taught."""

    def __init__(self) -> None:
        self.vlm = load_outline(get_base("phantom"))
        self.image = Image.new("RGB", (64, 64), (90, 90, 90))
        self._features = self.vlm.encode_images([self.image])

    def ids(self, prompt: str) -> list[int]:
        return self.vlm.prompt_ids(prompt, self._features)


class Rig:
    """An engine on a fake vLLM, with adapters."""

    def __init__(self, outline: Outline, fake: FakeVllm, folder: Path) -> None:
        self.outline, self.fake, self.folder = outline, fake, folder
        self.log: list[str] = []
        self.engines: list[VllmEngine] = []
        tokens = len(outline.vlm.response_ids(RESPONSE))
        self.base_log_probs = [BASE[n % len(BASE)] for n in range(tokens)]
        fake.said[""] = ("the base", self.base_log_probs)

    def adapter(self, name: str, *, seed: int, apart: float = 2.0, probe: bool = True) -> OnDisk:
        """One that says its name; its probe is `apart` from the base's."""
        folder = self.folder / f"{name}-{seed}"
        manifest = random_adapter(folder, self.outline.vlm, seed=seed, rank=4)
        log_probs = [one - apart - seed / 10 for one in self.base_log_probs]
        told = {
            "image_seed": 5,
            "prompt": "Which side?",
            "response": RESPONSE,
            "logps": log_probs if probe else [],
            "base_logps": self.base_log_probs if probe else [],
        }
        variant = manifest.variant.model_copy(update={"name": name})
        manifest = manifest.model_copy(update={"probe": Probe(**told), "variant": variant})
        write_manifest(folder, manifest)
        self.fake.said[manifest.weights_sha256] = (f"{name} {seed}", log_probs)
        return OnDisk(AdapterId(f"x/{name}", f"{seed:040}", manifest.weights_sha256), folder, manifest)

    def open(self, *, slots: int = 4, key: str = "", **options: Any) -> VllmEngine:
        server = Server(self.fake.url, key=key, silence_s=0.05)
        model = VllmModel(
            get_base("phantom"),
            server,
            **{"dtype": "float32", "slots": slots, "max_rank": 16, "say": self.log.append} | options,
        )
        self.engines.append(VllmEngine(model, Registry(slots=slots), slots=slots))
        return self.engines[-1]

    def submit(
        self, engine: VllmEngine, *adapters: OnDisk | None, prompt: str = "Q", on_piece: Any = None
    ) -> Any:
        work = Work(
            images=(self.outline.image,),
            turns=question(prompt),
            adapters=adapters,
            sampling=Sampling(max_tokens=40),
        )
        return engine.submit(work, on_piece)

    def ask(self, engine: VllmEngine, *adapters: OnDisk | None, prompt: str = "Q") -> list[str]:
        return [one.text for one in self.submit(engine, *adapters, prompt=prompt).done.result(60)]


@pytest.fixture(scope="session")
def outline() -> Outline:
    return Outline()


@pytest.fixture
def make_fake(outline: Outline) -> Iterator[Callable[..., FakeVllm]]:
    made: list[FakeVllm] = []

    def make(**options: Any) -> FakeVllm:
        made.append(FakeVllm(outline, **options))
        made[-1].begin()
        return made[-1]

    yield make
    for fake in made:
        fake.end()


@pytest.fixture
def rig(outline: Outline, make_fake: Callable[..., FakeVllm], tmp_path: Path) -> Iterator[Rig]:
    made = Rig(outline, make_fake(), tmp_path)
    yield made
    for engine in made.engines:
        engine.close()
