"""A real vLLM on the CPU with phantom, and eight adapters that nothing trained, with probes of this zoo."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from serving.core.engine import OnDisk
from serving.core.requests import AdapterId
from serving.engines.vllm.start import vllm_start, write_copy
from serving.settings import read_settings
from tests._adapters import random_adapter
from tests._ports import free_port
from zoo.bases import get_base
from zoo.manifest import Probe, write_manifest
from zoo.phantom.scans import make_scan
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import load_base
from zoo.vlm.score import score, score_row

PYTHON = os.environ.get("MEDZOO_VLLM", "")
START_S = 600
SLOTS, RANK = 8, 16


class Vllm:
    """A process group that can be killed and begun anew on its port."""

    def __init__(self, folder: Path, log: Path, *, dtype: str = "float32") -> None:
        self.port, self.folder, self._log = free_port(), folder, log
        settings = read_settings(base="phantom", slots=SLOTS, max_rank=RANK)
        start = vllm_start(settings, folder, dtype=dtype, port=self.port, cpu=True)
        small = ("--max-model-len", "1024", "--kv-cache-memory-bytes", "64M")
        self._words = [str(Path(PYTHON).with_name("vllm")), *start.words[1:], *small]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            **start.variables,
            "OMP_NUM_THREADS": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        with self._log.open("ab") as log:
            self._process = process = subprocess.Popen(
                self._words, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            try:
                if httpx2.get(f"{self.url}/health", trust_env=False).status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.5)
        pytest.fail(f"vLLM did not start: {self._log.read_text()[-3000:]}")

    def kill(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, how)
            self._process.wait()


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    if not PYTHON:
        pytest.skip("MEDZOO_VLLM names no python of a vLLM; docs/engines.md says how to make one")
    folder = tmp_path_factory.mktemp("vllm")
    base = get_base("phantom")
    assert base.folder is not None
    write_copy(base, base.folder, folder / "base")
    made = Vllm(folder / "base", folder / "log")
    try:
        made.begin()
        yield made
    finally:
        made.kill(signal.SIGKILL)


@pytest.fixture(scope="session")
def make_adapter_with_probe(vllm: Vllm, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., OnDisk]:
    """Call it for an adapter of that variant and seed."""
    model = load_base(get_base("phantom"), device="cpu", dtype="float32")
    outline = load_base(get_base("phantom"), device="cpu", dtype="float32")  # no bank: its layers are bare
    bank = AdapterBank(model, slots=2, max_rank=RANK)
    folder = tmp_path_factory.mktemp("adapters")
    features = model.encode_images([Image.fromarray(make_scan(7).pixels)])
    told: dict[str, Any] = {"image_seed": 7, "prompt": "Which side?", "response": "on the left side"}

    def make(variant: str, *, seed: int, rank: int = 8) -> OnDisk:
        where = folder / f"{variant}-{seed}"
        manifest = random_adapter(where, outline, seed=seed, rank=rank, spread=0.15)
        bank.load(1, where, manifest)
        rows = [score_row(model, features, told["prompt"], told["response"], slot) for slot in (1, 0)]
        own, base = (one.tolist() for one in score(model, rows)[0])
        bank.clear(1)
        probe = Probe(**told, logps=own, base_logps=base)
        named = manifest.variant.model_copy(update={"name": variant})
        manifest = manifest.model_copy(update={"probe": probe, "variant": named})
        write_manifest(where, manifest)
        return OnDisk(AdapterId(f"x/{variant}", f"{seed:040}", manifest.weights_sha256), where, manifest)

    return make


@pytest.fixture(scope="session")
def eight(make_adapter_with_probe: Callable[..., OnDisk]) -> list[OnDisk]:
    ranks = (2, 4, 4, 8, 8, 16, 16, 16)
    return [make_adapter_with_probe(f"v{seed}", seed=seed, rank=rank) for seed, rank in enumerate(ranks, 1)]
