"""Sixteen clients, each asking one question after another: sixteen random adapters against one.

LLaVA of 65 M parameters with random weights, 256 image tokens, adapters of rank 16 on all seven targets, 24
new tokens an answer, greedy, float32, through the engine and without HTTP. Every client has an image and a
question of its own and draws an adapter for each time it asks. The peer is the same engine with all of them
asking one adapter; with 8 slots the sixteen adapters have to be loaded and evicted all the time.
"""

import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from serving.core.engine import OnDisk, Work
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.engines.banked import BankedModel
from serving.engines.embedded import EmbeddedEngine
from tests._adapters import random_adapter
from tests.benchmarks import _llava
from zoo.asking import Sampling, question
from zoo.phantom.scans import make_scan

CLIENTS = ADAPTERS = 16
QUESTIONS = 2
"""Of each client in a repetition."""
TOKENS = 24
REPETITIONS = 5


def measure() -> dict[str, float]:
    """Tokens a second with sixteen adapters over those with one, of each repetition; the median."""
    with tempfile.TemporaryDirectory() as made:
        return _measure(Path(made))


def _measure(folder: Path) -> dict[str, float]:
    adapters = _make_adapters(folder)
    roomy, narrow = _open(slots=ADAPTERS), _open(slots=ADAPTERS // 2)
    for adapter in adapters:
        roomy.warm(adapter).result()
    ways: dict[str, tuple[EmbeddedEngine, list[OnDisk]]] = {
        "one": (roomy, adapters[:1]),
        "sixteen": (roomy, adapters),
        "sixteen in 8 slots": (narrow, adapters),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(REPETITIONS + 1):
        for name, (engine, among) in ways.items():
            speed = _ask_all(engine, among, seed=repetition)
            if repetition:  # the first is a warm-up, in which images are encoded
                speeds[name].append(speed)
    roomy.close()
    narrow.close()

    def over_one(name: str) -> float:
        return statistics.median(a / b for a, b in zip(speeds[name], speeds["one"], strict=True))

    return {
        "throughput_1_adapter_tokens_a_second": statistics.median(speeds["one"]),
        "throughput_16_adapters_over_1": over_one("sixteen"),
        "throughput_16_adapters_in_8_slots_over_1": over_one("sixteen in 8 slots"),
    }


def _ask_all(engine: EmbeddedEngine, adapters: list[OnDisk], *, seed: int) -> float:
    """Tokens a second of all clients together."""
    tokens: list[int] = []

    def client(number: int) -> None:
        dice = np.random.default_rng([seed, number])
        image = Image.fromarray(make_scan(number).pixels).convert("RGB")
        words = " ".join(f"w{100 * number + n}" for n in range(20))
        for _ in range(QUESTIONS):
            work = Work(
                images=(image,),
                turns=question(words),
                adapters=(adapters[dice.integers(len(adapters))],),
                sampling=Sampling(max_tokens=TOKENS),
                client=str(number),
            )
            tokens.extend(output.tokens for output in engine.submit(work).done.result())

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    began = time.perf_counter()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return sum(tokens) / (time.perf_counter() - began)


def _open(*, slots: int) -> EmbeddedEngine:
    shape = _llava.Shape()
    vlm = _llava.as_base(_llava.new_model(shape), _llava.new_processor(shape))
    vlm.ends = frozenset()  # never said, so no answer ends early and all do the same work
    model = BankedModel(vlm, slots=slots, max_rank=16, max_rows=CLIENTS)
    return EmbeddedEngine(model, Registry(slots=slots), slots=slots, max_rows=CLIENTS)


def _make_adapters(folder: Path) -> list[OnDisk]:
    shape = _llava.Shape()
    bare = _llava.as_base(_llava.new_model(shape), _llava.new_processor(shape))
    folders = [folder / f"a{number}" for number in range(ADAPTERS)]
    made = [(one, random_adapter(one, bare, seed=seed)) for seed, one in enumerate(folders)]
    return [OnDisk(AdapterId(f"random/{one.name}", "0" * 40, m.weights_sha256), one, m) for one, m in made]
