"""From an adapter's files in a warm page cache to a slot that answers, beside what a user would do instead.

The adapter is one of rank 16 for a LLaVA of 7 billion parameters, in bfloat16: 448 tensors, 80 MB. The base's
layers are a single zero each, seen as often as it takes, so that only adapters take memory.
"""

import gc
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import load_file

from tests._adapters import random_adapter
from tests.benchmarks import _llava
from zoo.manifest import WEIGHTS_NAME, read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.weights import target_layers

SHAPE = _llava.Shape(hidden=4096, layers=32, heads=32, intermediate=11008)
RANK = 16
REPETITIONS = 15


def measure() -> dict[str, float]:
    """See `compare`, of a base of that shape in no memory."""
    return compare(_base, repetitions=REPETITIONS)


def compare(load: Callable[[], VisionLanguageModel], *, repetitions: int) -> dict[str, float]:
    """Our load, with every check, over what checks nothing, and PEFT's load over ours, for any base, given
    what loads it bare.

    `over_copy` is over reading the file with safetensors and copying each tensor to a place of its own that
    is there already, as a slot is; `over_bytes` over reading and copying the same bytes in one piece;
    `over_digest` over the sha256 alone of bytes in memory, below which no checked load can be. Of PEFT,
    `load_adapter` as it comes, and without drawing the weights that it then replaces.
    """
    banked, tuned = load(), load()
    with tempfile.TemporaryDirectory() as made:
        folder, other = Path(made) / "one", Path(made) / "two"
        for seed, each in enumerate((folder, other)):
            random_adapter(each, tuned, seed=seed, rank=RANK, dtype=torch.bfloat16)
        path = folder / WEIGHTS_NAME
        bank = AdapterBank(banked, slots=2, max_rank=RANK)
        model: Any = PeftModel.from_pretrained(tuned.model, str(other), adapter_name="two")
        places = {name: tensor.to(banked.device, copy=True) for name, tensor in load_file(path).items()}
        room, kept = np.zeros(path.stat().st_size, np.uint8), bank.read(folder)

        def copy() -> None:
            for name, tensor in load_file(path).items():
                places[name].copy_(tensor)

        def copy_bytes() -> None:
            room[:] = np.fromfile(path, np.uint8)

        def clear() -> None:
            bank.clear(1)

        def delete() -> None:
            model.delete_adapter("one")

        ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "copy": (copy, lambda: None),
            "bytes": (copy_bytes, lambda: None),
            "digest": (lambda: hashlib.sha256(kept.weights).hexdigest(), lambda: None),
            "ours": (lambda: bank.load(1, folder, read_manifest(folder)), clear),
            "kept": (lambda: bank.load(1, folder, read_manifest(folder), content=kept), clear),
            "peft": (lambda: model.load_adapter(str(folder), "one"), delete),
            "undrawn": (lambda: model.load_adapter(str(folder), "one", low_cpu_mem_usage=True), delete),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for repetition in range(repetitions + 1):
            for name, (way, undo) in ways.items():
                gc.collect()  # what another way left behind
                began = time.perf_counter()
                way()
                if banked.device.type == "cuda":
                    torch.cuda.synchronize()
                took = time.perf_counter() - began
                undo()
                if repetition:  # the first is a warm-up
                    times[name].append(took)
    median = {name: statistics.median(found) for name, found in times.items()}
    return {
        "adapter_load_seconds": median["ours"],
        "adapter_load_over_copy": median["ours"] / median["copy"],
        "adapter_load_over_bytes": median["ours"] / median["bytes"],
        "adapter_load_over_digest": median["ours"] / median["digest"],
        "adapter_load_from_memory_over_copy": median["kept"] / median["copy"],
        "adapter_load_speedup_vs_peft": median["peft"] / median["ours"],
        "adapter_load_speedup_vs_peft_undrawn": median["undrawn"] / median["ours"],
    }


def _base() -> VisionLanguageModel:
    """A base of that shape which takes no memory and cannot answer."""
    model = _llava.new_model(SHAPE, device="meta", dtype=torch.bfloat16)
    vlm = _llava.as_base(model, _llava.new_processor(SHAPE))
    nothing = torch.zeros((), dtype=torch.bfloat16)
    for layer in target_layers(vlm).values():
        shape = (layer.out_features, layer.in_features)
        layer.weight = torch.nn.Parameter(nothing.expand(shape), requires_grad=False)
    return vlm
