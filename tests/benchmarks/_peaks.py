"""The most memory that training or serving a LLaVA takes, in a process of its own.

`python -m tests.benchmarks._peaks CASE` takes a `Case` as JSON and prints bytes above what the process held
before, after a tiny model has done the same so that libraries are there. It reads Linux's own count: loading,
the pages of the base's file and what the C library keeps of freed tensors are in it.
"""

import ctypes
import gc
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zoo.bases import Base

TEMPLATE = Base(
    repo="benchmark/llava", family="llava", license="apache-2.0", about="Random weights.", name="benchmark"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is done, and how; lengths are tokens."""

    work: str
    """`train` or `serve`."""
    folder: str
    """Of the base."""
    dtype: str = "float32"
    quantize: str | None = None
    rank: int = 16
    prompt: int = 24
    response: int = 20
    """Of a response, or of an answer."""
    vocabulary: int
    """Words that questions and responses are drawn from."""
    batch: int = 4
    micro_batch: int = 4
    checkpointing: bool = False
    pairs: int = 8
    rows: int = 8
    slots: int = 8
    mixed: bool = False
    """Whether rows' slots neither are one nor follow one another."""
    adapter: str = ""
    """Folder of the adapter that fills every slot."""


def peak_bytes(case: Case) -> int:
    """Of a fresh process."""
    words = [sys.executable, "-m", "tests.benchmarks._peaks", json.dumps(asdict(case))]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return int(done.stdout.splitlines()[-1])


def base_in(folder: Path) -> Base:
    """The base whose weights lie there."""
    return replace(TEMPLATE, folder=folder, revision="0" * 40)


def main(case: Case) -> None:
    """Do the tiny case, then this one, and print what it took."""
    with tempfile.TemporaryDirectory() as made:
        tiny = replace(case, **_tiny(Path(made) / "tiny"))
        _work(tiny, Path(made) / "warm")
        gc.collect()
        _forget_peak()
        before = _resident("VmRSS")
        _work(case, Path(made) / "work")
        print(_resident("VmHWM") - before)


def _tiny(folder: Path) -> dict[str, object]:
    from tests.benchmarks import _llava

    shape = _llava.Shape(
        hidden=64, layers=2, heads=4, intermediate=128, vocabulary=512, vision_hidden=64, vision_layers=2,
        vision_heads=4, vision_intermediate=128, patches=4,
    )  # fmt: skip
    write_base(folder, shape)
    return {"folder": str(folder), "vocabulary": shape.vocabulary, "rank": 4, "slots": 1, "adapter": ""}


def write_base(folder: Path, shape: object, *, adapter: int = 0) -> None:
    """A random model, and beside it, if its rank is above 0, a random adapter in `folder/adapter`."""
    from tests._adapters import random_adapter
    from tests.benchmarks import _llava

    assert isinstance(shape, _llava.Shape)
    model, processor = _llava.new_model(shape), _llava.new_processor(shape)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if adapter:
        vlm = _llava.as_base(model, processor)
        vlm.base = base_in(folder)
        random_adapter(folder / "adapter", vlm, seed=0, rank=adapter, alpha=2 * adapter)


def _work(case: Case, folder: Path) -> None:
    folder.mkdir()
    (_train if case.work == "train" else _serve)(case, folder)


def _train(case: Case, folder: Path) -> None:
    from tests.benchmarks import _llava
    from training.execution import Execution
    from training.loop import Run, train
    from training.variant import Numbers
    from training.variants import get_variant
    from zoo.vlm.lora import LoraSpec

    data = _llava.make_pairs(
        folder / "pairs",
        pairs=case.pairs,
        prompt_tokens=case.prompt,
        response_tokens=case.response,
        vocabulary=case.vocabulary,
    )
    lora = LoraSpec(r=case.rank, alpha=2 * case.rank)
    numbers = Numbers(batch_size=case.batch, epochs=2, rank=lora.r, alpha=lora.alpha)
    run = Run(objective=get_variant("dpo").objective, numbers=numbers, lora=lora, seed=0)
    vlm = _load(case)
    execution = Execution(micro_batch=case.micro_batch, gradient_checkpointing=case.checkpointing)
    train(vlm, data, run, folder / "run", execution)


def _serve(case: Case, folder: Path) -> None:
    from PIL import Image

    from serving.engines.banked import BankedModel
    from serving.engines.model import Row
    from zoo.asking import Sampling, question
    from zoo.manifest import read_manifest
    from zoo.phantom.scans import make_scan

    vlm = _load(case)
    vlm.ends = frozenset()  # never said, so no answer ends early
    model = BankedModel(vlm, slots=case.slots, max_rank=case.rank, max_rows=case.rows)
    if case.adapter:
        for slot in range(1, case.slots + 1):
            where = Path(case.adapter)
            model.load(slot, where, read_manifest(where), model.read(where))
    features, _ = model.encode([Image.fromarray(make_scan(0).pixels).convert("RGB")])
    words = [" ".join(f"w{row + n}" for n in range(case.prompt - 4)) for row in range(case.rows)]
    turns = [question(each, images=1) for each in words]  # unlike ones, for equal ones share a run
    order = [1 + row % case.slots if case.adapter else 0 for row in range(case.rows)]
    slots = order[::-1] if case.mixed else order
    sampling = Sampling(max_tokens=case.response, temperature=1.0, top_p=0.9)
    for _ in range(2):
        asked = zip(turns, slots, strict=True)
        batch = model.begin([Row(features, each, slot, sampling) for each, slot in asked])
        while batch.open:
            batch.step()


def _load(case: Case) -> Any:
    from zoo.vlm.model import load_base

    return load_base(base_in(Path(case.folder)), device="cpu", dtype=case.dtype, quantize=case.quantize)  # type: ignore[arg-type]


def _forget_peak() -> None:
    """The peak is the present from here on."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def _resident(field: str) -> int:
    """This process's resident memory in bytes: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main(Case(**json.loads(sys.argv[1])))
