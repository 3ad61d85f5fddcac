"""What `medzoo plan` says a run takes, beside what it took: memory of training and of serving.

Predicted bytes over the peak of a fresh process (`_peaks`) on the CPU, which differs from one process to the
next by a hundredth. Two sets of shapes with random weights: `CALIBRATION` is what the terms of `zoo.memory`
were held against while they were written: the holes of the heap on `wide` and `deep`, what libraries take
beside tensors on `small` and `slim`. `PROOF` gave none of them a number, but its ratios were known in part
when the last constants were chosen.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import _llava, _peaks
from tests.benchmarks._peaks import Case
from zoo.bases import LLAMA_TARGETS
from zoo.memory.peak import Peak, Precision
from zoo.memory.serving import Serving, serving_peak
from zoo.memory.shape import shape_of
from zoo.memory.training import Lengths, Step, training_peak

WIDE = _llava.Shape(
    hidden=768, layers=6, heads=12, kv_heads=4, intermediate=2048, vocabulary=8000, patches=12
)
DEEP = _llava.Shape(hidden=320, layers=16, heads=5, intermediate=1024, vocabulary=4000, patches=20)
SMALL = _llava.Shape(
    hidden=96,
    layers=4,
    heads=4,
    intermediate=256,
    vocabulary=800,
    vision_hidden=96,
    vision_heads=4,
    vision_intermediate=192,
    patch=8,
    patches=10,
)
SLIM = _llava.Shape(
    hidden=192,
    layers=2,
    heads=4,
    intermediate=384,
    vocabulary=500,
    vision_hidden=128,
    vision_heads=4,
    vision_intermediate=256,
    patch=8,
    patches=8,
)
PHANTOM = _llava.Shape(
    hidden=128,
    layers=3,
    heads=4,
    intermediate=256,
    vocabulary=618,
    vision_hidden=128,
    vision_heads=4,
    vision_intermediate=256,
    patch=8,
    patches=8,
)
LLAVA_65M = _llava.Shape()
POCKET = _llava.Shape(
    hidden=576,
    layers=30,
    heads=9,
    kv_heads=3,
    intermediate=1536,
    vocabulary=49_152,
    tied=True,
    vision_hidden=256,
    vision_layers=6,
    vision_heads=4,
    vision_intermediate=1024,
    patch=28,
    patches=8,
)
Cases = Mapping[str, tuple[_llava.Shape, dict[str, object]]]
TRAINED: tuple[dict[str, object], ...] = (
    {},
    {"response": 128},
    {"batch": 8, "micro_batch": 2, "checkpointing": True},
    {"quantize": "4bit"},
)
SERVED: tuple[dict[str, object], ...] = (
    {"work": "serve", "response": 64},
    {"work": "serve", "response": 64, "mixed": True, "rows": 16},
    {"work": "serve", "response": 64, "quantize": "8bit", "slots": 4, "rank": 64, "rows": 4},
)
CALIBRATION = {"wide": WIDE, "deep": DEEP, "small": SMALL, "slim": SLIM}
PROOF = {"phantom": PHANTOM, "pocket": POCKET, "65m": LLAVA_65M}


def measure() -> dict[str, float]:
    """`plan_over_peak_SHAPE_SETTINGS`: predicted over measured, of the proof."""
    return ratios(PROOF)


def ratios(shapes: Mapping[str, _llava.Shape]) -> dict[str, float]:
    """Predicted over measured peak of every shape under all settings."""
    found = {}
    for name, shape in shapes.items():
        print(f"  {name}", flush=True)
        with tempfile.TemporaryDirectory() as made:
            for settings in (*TRAINED, *SERVED):
                told = f"plan_over_peak_{name}_{_named(settings)}"
                found[told] = ratio(shape, settings, Path(made))
    return found


def ratio(shape: _llava.Shape, settings: Mapping[str, object], made: Path) -> float:
    """Predicted over measured, in a folder where bases of this shape are kept."""
    case = Case(
        **{"work": "train", "folder": "", "vocabulary": shape.vocabulary, **settings}  # type: ignore[arg-type]
    )
    folder = made / f"rank{case.rank}"
    if not folder.exists():
        _peaks.write_base(folder, shape, adapter=case.rank)
    case = replace(case, folder=str(folder), adapter=str(folder / "adapter"))
    peak = predicted(case)
    measured = _peaks.peak_bytes(case)
    sizes = f"{peak.total / 2**20:.0f} MiB planned ({peak.highest}), {measured / 2**20:.0f} measured"
    print(f"  {_named(settings)}: {sizes}", flush=True)
    return peak.total / measured


def predicted(case: Case) -> Peak:
    """What the plan says."""
    shape = shape_of(_peaks.base_in(Path(case.folder)))
    size = {"float32": 4, "bfloat16": 2}[case.dtype]
    precision = Precision(bytes=size, quantize=case.quantize, lazy=True)  # type: ignore[arg-type]
    if case.work == "train":
        lengths = Lengths(image=shape.image_tokens, prompt=case.prompt, response=case.response)
        step = Step(
            precision=precision,
            rank=case.rank,
            targets=LLAMA_TARGETS,
            responses=(2,),
            batch=case.batch,
            micro_batch=case.micro_batch,
            checkpointing=case.checkpointing,
            lengths=lengths,
            pairs=case.pairs,
        )
        return training_peak(shape, step)
    serving = Serving(
        precision=precision,
        targets=LLAMA_TARGETS,
        slots=case.slots,
        max_rank=case.rank,
        rank=case.rank,
        rows=case.rows,
        mixed=case.mixed,
        image=shape.image_tokens,
        prompt=case.prompt,
        answer=case.response,
        features=shape.image_tokens * shape.language.hidden * size,
    )
    return serving_peak(shape, serving)


def _named(settings: Mapping[str, object]) -> str:
    """Settings as a part of a figure's name."""
    words: Sequence[str] = [
        str(value) if key in ("work", "quantize") else key if value is True else f"{key}{value}"
        for key, value in settings.items()
    ]
    return "_".join(words) or "plain"
