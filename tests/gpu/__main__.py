"""A LLaVA of 7 billion parameters on a GPU: `python -m tests.gpu gpu.json`; `--tiny` tries the code.

The base has LLaVA-Med v1.5's shape (Mistral 7B, CLIP ViT-L/14 at 336 pixels, 576 image tokens) and weights
drawn on the device, so nothing is downloaded; it is saved and loaded as any base is. The pairs are drawn
scans, prompts of 64 tokens beside the image's and responses of 128. Measured is `training.loop.train`: pairs
and tokens a second once vision features and reference log-probs are kept, and pairs a second of the first
epoch, which makes them (`cold`); and the most memory of the device that a run took. TRL's DPOTrainer stands
beside it where it is installed. What does not fit says so. Last, a comparison of eight adapters and the
loading of one, beside transformers' and PEFT's own ways (`tests.benchmarks.comparison`, `adapter_load`).
"""

import gc
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import mean

import torch
import transformers

from tests.benchmarks import _llava, adapter_load, comparison
from training.data import PairSet
from training.execution import Execution
from training.loop import Run, train
from training.provenance import hardware, peak_memory_bytes
from training.variant import Numbers
from training.variants import get_variant
from zoo.bases import Base
from zoo.vlm.lora import LoraSpec
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.quantised import Quantization

LLAVA_7B = _llava.Shape(
    hidden=4096,
    layers=32,
    heads=32,
    kv_heads=8,
    intermediate=14336,
    vocabulary=32001,
    vision_hidden=1024,
    vision_layers=24,
    vision_heads=16,
    vision_intermediate=4096,
    patches=24,
)
TINY = _llava.Shape(
    hidden=64,
    layers=2,
    heads=4,
    intermediate=128,
    vocabulary=512,
    vision_hidden=64,
    vision_layers=2,
    vision_heads=4,
    vision_intermediate=128,
    patches=4,
)
QUANTISED: tuple[Quantization | None, ...] = (None, "4bit", "8bit")
SERVED: tuple[Quantization | None, ...] = (None, "4bit")
PROMPT, RESPONSE = 64, 128
EPOCHS = 2
RANK = 16
CHECKPOINTED = {"checkpointed_": True, "": False}
"""By its part of a figure's name: with gradient checkpointing, which takes less memory, and without."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is tried, and where its figures go."""

    shape: _llava.Shape
    device: str
    dtype: str
    batch: int = 4
    steps: int = 4
    """Of an epoch; the first one of all is a warm-up."""
    folder: Path
    """Of the base and of all that is made."""
    out: Path
    figures: dict[str, float | str] = field(default_factory=dict)

    def tell(self, **found: float | str) -> None:
        """Print figures and write all that there are so far."""
        self.figures.update(found)
        for name, value in found.items():
            print(f"{name:<48}", value if isinstance(value, str) else f"{value:.4g}", flush=True)
        self.out.write_text(json.dumps(self.figures, indent=2) + "\n")

    def load(self, quantize: Quantization | None = None) -> VisionLanguageModel:
        """The base as a user loads it."""
        base = Base(
            repo="random/llava",
            revision="0" * 40,
            folder=self.folder / "base",
            family="llava",
            license="apache-2.0",
            about="Random weights.",
            name="random",
        )
        return load_base(base, device=self.device, dtype=self.dtype, quantize=quantize)

    def peak_gib(self) -> float:
        """Of the device since `_forget`; of this process on a CPU."""
        return peak_memory_bytes(torch.device(self.device)) / 2**30


def main(out: Path, *, tiny: bool) -> None:
    """Measure everything."""
    if not tiny and not torch.cuda.is_available():
        print("no GPU here: skipped")
        return
    with tempfile.TemporaryDirectory() as made:
        trial = Trial(shape=LLAVA_7B, device="cuda", dtype="bfloat16", folder=Path(made), out=out)
        if tiny:
            trial = replace(trial, shape=TINY, device="cpu", dtype="float32", batch=2, steps=2)
        trial.tell(device=hardware(torch.device(trial.device)))
        trial.tell(torch=torch.__version__, transformers=transformers.__version__)
        save_base(trial)
        data = new_pairs(trial)
        for quantize in QUANTISED:
            measure_ours(trial, data, quantize)
        if find_spec("trl") is None:
            print("TRL is not installed: left out")
        else:
            measure_trl(trial, data)
        for quantize in SERVED:
            measure_comparison(trial, quantize)
        _forget()
        trial.tell(**adapter_load.compare(trial.load, repetitions=trial.steps))
    print(f"written to {out}")


def save_base(trial: Trial) -> None:
    """A model with drawn weights in the trial's folder."""
    model = _llava.new_model(trial.shape, device=trial.device, dtype=getattr(torch, trial.dtype))
    trial.tell(parameters=sum(parameter.numel() for parameter in model.parameters()))
    model.save_pretrained(trial.folder / "base")
    _llava.new_processor(trial.shape).save_pretrained(trial.folder / "base")


def new_pairs(trial: Trial) -> PairSet:
    """An epoch of pairs, each with an image and a rejected image that no other has."""
    pairs = trial.steps * trial.batch
    found = _llava.make_pairs(
        trial.folder / "pairs",
        pairs=2 * pairs,
        prompt_tokens=PROMPT,
        response_tokens=RESPONSE,
        vocabulary=trial.shape.vocabulary,
    )
    both = zip(found.pairs[:pairs], found.pairs[pairs:], strict=True)
    return replace(found, pairs=tuple(replace(one, rejected_images=other.images) for one, other in both))


def measure_ours(trial: Trial, data: PairSet, quantize: Quantization | None) -> None:
    """Two objectives, with gradient checkpointing and without."""
    precision = f"{trial.dtype}_{quantize}" if quantize else trial.dtype
    vlm: VisionLanguageModel | None = None
    for variant, (way, checkpointed) in product(("dpo", "mdpo"), CHECKPOINTED.items()):
        name = f"{precision}_{variant}_{way}"
        if vlm is None:
            began = time.perf_counter()
            vlm = trial.load(quantize)
            trial.tell(**{f"{precision}_load_s": time.perf_counter() - began})
        _forget()
        try:
            seconds = step_seconds(trial, vlm, data, variant, trial.folder / name, checkpointed)
        except torch.cuda.OutOfMemoryError:
            trial.tell(**{f"{name}pairs_per_s": "out of memory"})
            vlm = None  # a LoRA is left on it
            continue
        warm = trial.batch / mean(seconds[trial.steps :])
        trial.tell(
            **{
                f"{name}pairs_per_s": warm,
                f"{name}tokens_per_s": warm * policy_tokens(variant, trial.shape),
                f"{name}cold_pairs_per_s": trial.batch / mean(seconds[1 : trial.steps]),
                f"{name}peak_gib": trial.peak_gib(),
            }
        )


def measure_comparison(trial: Trial, quantize: Quantization | None) -> None:
    """One question to eight adapters, three bases at once on the device."""
    precision = f"{trial.dtype}_{quantize}" if quantize else trial.dtype
    _forget()
    found = comparison.compare(
        partial(trial.load, quantize), trial.folder / f"{precision}_adapters", repetitions=trial.steps
    )
    trial.tell(**{f"{precision}_{name}": value for name, value in found.items()})


def step_seconds(
    trial: Trial, vlm: VisionLanguageModel, data: PairSet, variant: str, folder: Path, checkpointed: bool
) -> list[float]:
    """Train from empty caches and say how long each step took; the base is as before."""
    run = Run(
        objective=get_variant(variant).objective,
        numbers=Numbers(batch_size=trial.batch, epochs=EPOCHS, rank=RANK, alpha=2 * RANK),
        lora=LoraSpec(r=RANK, alpha=2 * RANK),
        seed=0,
    )
    train(vlm, data, run, folder, Execution(gradient_checkpointing=checkpointed)).lora.remove()
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    ends = [line["seconds"] for line in lines if "seconds" in line]
    return [end - begin for begin, end in zip([0.0, *ends], ends, strict=False)]


def policy_tokens(variant: str, shape: _llava.Shape) -> int:
    """Tokens of a pair that the policy runs over: each image and prompt once, of each response all but the
    last, which is only predicted."""
    prompts, responses = {"dpo": (1, 2), "mdpo": (2, 3)}[variant]
    return prompts * (shape.image_tokens + PROMPT) + responses * (RESPONSE - 1)


def measure_trl(trial: Trial, data: PairSet) -> None:
    """DPO as TRL does it, with gradient checkpointing and without; and our pairs a second over its."""
    from tests.benchmarks import _trl

    for way, checkpointed in CHECKPOINTED.items():
        trainer = None
        _forget()
        try:
            trainer = _trl.new_trainer(
                trial.load().model,
                _llava.new_processor(trial.shape),
                data,
                trial.folder / "trl",
                batch=trial.batch,
                rank=RANK,
                bf16=trial.dtype == "bfloat16",
                gradient_checkpointing=checkpointed,
            )
            seconds = _trl.step_seconds(trainer, trial.steps)
        except torch.cuda.OutOfMemoryError:
            trial.tell(**{f"trl_{way}pairs_per_s": "out of memory"})
            continue
        theirs, ours = trial.batch / mean(seconds[1:]), trial.figures[f"{trial.dtype}_dpo_{way}pairs_per_s"]
        trial.tell(**{f"trl_{way}pairs_per_s": theirs, f"trl_{way}peak_gib": trial.peak_gib()})
        if isinstance(ours, float):
            trial.tell(**{f"dpo_{way}speedup_over_trl": ours / theirs})


def _forget() -> None:
    """Give back what nothing holds any more, and count the peak anew."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--tiny"]
    main(Path(words[0]), tiny="--tiny" in sys.argv)
