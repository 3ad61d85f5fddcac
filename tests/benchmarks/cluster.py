"""Two replicas of a cluster against one process, by comparisons of four phantom adapters a second.

The same service under both, in this process: twelve random adapters in eight slots each, sixteen threads that
ask, each about a picture of its own. On two cores two replicas have a core each, as the one process has; the
rest is what the way between processes costs. Where Ray is not installed there are no figures.
"""

import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import torch
from PIL import Image

from serving.core.engine import Engine, OnDisk, Work
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.core.watch import Watch
from serving.metrics import Metrics
from serving.opening import open_engine
from serving.settings import read_settings
from tests._adapters import random_adapter
from zoo.asking import Sampling, question
from zoo.bases import get_base
from zoo.phantom.scans import make_scan
from zoo.vlm.model import load_base

ADAPTERS, ROWS, TOKENS = 12, 4, 24
ASKERS, ASKED = 16, 160
REPETITIONS = 3


def measure() -> dict[str, float]:
    """Comparisons a second of both, their ratio, and the time of one alone."""
    if find_spec("ray") is None:
        return {}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made, ExitStack() as at_end:
        adapters = _adapters(Path(made))
        engines = {"one_process": _opened(cluster=None), "cluster2": _opened(cluster="local")}
        for engine in engines.values():
            at_end.callback(engine.close)
        rates: dict[str, list[float]] = {name: [] for name in engines}
        alone: dict[str, list[float]] = {name: [] for name in engines}
        for repetition in range(REPETITIONS + 1):
            for name, engine in engines.items():
                rate = ASKED / _load(engine, adapters, asked=ASKED, seed=repetition)
                times = [_alone(engine, adapters) for _ in range(10)]
                if repetition:  # the first is a warm-up
                    rates[name].append(rate)
                    alone[name] += times
    figures = {f"{name}_comparisons_per_second": statistics.median(found) for name, found in rates.items()}
    figures |= {f"{name}_alone_seconds": statistics.median(found) for name, found in alone.items()}
    ratios = [two / one for one, two in zip(rates["one_process"], rates["cluster2"], strict=True)]
    return {**figures, "cluster2_over_one_process": statistics.median(ratios)}


def _opened(cluster: str | None) -> Engine:
    settings = read_settings(device="cpu", cluster=cluster, replicas=2, max_waiting_rows=256)
    return open_engine(
        get_base("phantom"), settings, Registry(slots=8), metrics=Metrics(), watch=Watch(), say=lambda _: None
    )


def _adapters(folder: Path) -> list[OnDisk]:
    vlm, found = load_base(get_base("phantom"), device="cpu"), []
    for number in range(ADAPTERS):
        manifest = random_adapter(folder / str(number), vlm, seed=number)
        name = AdapterId(f"zoo/{number}", "c" * 40, manifest.weights_sha256)
        found.append(OnDisk(name, folder / str(number), manifest))
    return found


def _work(picture: int, adapters: list[OnDisk]) -> Work:
    return Work(
        images=(Image.fromarray(make_scan(picture).pixels),),
        turns=question("What is shown?"),
        adapters=tuple(adapters),
        sampling=Sampling(max_tokens=TOKENS),
        client=str(picture % ASKERS),
        deadline=time.monotonic() + 300,
    )


def _load(engine: Engine, adapters: list[OnDisk], *, asked: int, seed: int) -> float:
    """Seconds that so many comparisons took."""
    dice = random.Random(seed)
    works = [_work(n, dice.sample(adapters, ROWS)) for n in range(asked)]
    began = time.perf_counter()
    with ThreadPoolExecutor(ASKERS) as askers:
        list(askers.map(lambda work: engine.submit(work).done.result(), works))
    return time.perf_counter() - began


def _alone(engine: Engine, adapters: list[OnDisk]) -> float:
    work = _work(0, adapters[:ROWS])
    began = time.perf_counter()
    engine.submit(work).done.result()
    return time.perf_counter() - began
