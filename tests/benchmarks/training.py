"""An optimiser step of DPO: TRL's DPOTrainer against our training loop, on the same model, pairs and LoRA.

The base is a LLaVA of 66 million parameters with random weights (`_llava.Shape`), the pairs are drawn: scans
as files, prompts of 24 tokens beside the image's, responses of 20 or 128. Ours is `training.loop.train` for
three epochs over images that it has not seen: vision features and reference log-probs are made in the first
and counted. TRL's steps all cost the same. Both sides take turns in one process, in float32; in one case, in
bfloat16.
"""

import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks import _agreement, _flops, _llava, _memory, _trl
from training.data import PairSet
from training.execution import Execution
from training.loop import Run, train
from training.variant import Numbers
from training.variants import get_variant
from zoo.vlm.lora import LoraSpec
from zoo.vlm.model import VisionLanguageModel

IMAGE_TOKENS = (64, 256, 576)
RESPONSES = {"short": 20, "long": 128}
PROMPT_TOKENS = 24
BATCH = 4
EPOCHS = 3
STEPS = 2
"""Of an epoch of ours; TRL's take one a turn."""
RANK = 16
REPETITIONS = 3
SQUARE = 2048
"""Rows and columns of the product of matrices that tells what this machine can do."""

RUN = Run(
    objective=get_variant("dpo").objective,
    numbers=Numbers(batch_size=BATCH, epochs=EPOCHS, rank=RANK, alpha=2 * RANK),
    lora=LoraSpec(r=RANK, alpha=2 * RANK),
    seed=0,
)


def measure() -> dict[str, float]:
    """`train_speedup_vs_trl_IMAGETOKENS_RESPONSES`: TRL's time a step at its best settings, the faster of
    with and without gradient checkpointing, over ours of three epochs. `..._default`: at its defaults, which
    is with it. `train_warm_speedup_...`: over ours once the caches are full.

    `train_memory_...`: our peak over TRL's. `train_flops_over_minimum_...`: what we compute over what cannot
    be avoided; `train_matmul_efficiency_...`: the time that this would take at the rate of one large product
    of matrices, over ours. `train_..._difference`: how far the two sides are apart, which are to agree.
    """
    _say(f"load average {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads")
    times = {
        f"{image_tokens}_{name}": _times(image_tokens, response_tokens)
        for image_tokens in IMAGE_TOKENS
        for name, response_tokens in RESPONSES.items()
    }
    times["256_short_bf16"] = _times(256, RESPONSES["short"], bf16=True)
    _say(f"load average {os.getloadavg()[0]:.1f}")
    figures: dict[str, float] = {}
    for case, found in times.items():
        figures[f"train_speedup_vs_trl_{case}"] = found.trl / found.ours
        figures[f"train_speedup_vs_trl_{case}_default"] = found.trl_default / found.ours
        figures[f"train_warm_speedup_vs_trl_{case}"] = found.trl / found.warm
    return figures | _memory_figures() | _work_figures(times["576_short"]) | _agreement_figures()


@dataclass(frozen=True, kw_only=True)
class Times:
    """Medians of a case, in seconds a step; and the machine's rate meanwhile."""

    cold: float
    warm: float
    trl_unchecked: float
    """Without gradient checkpointing."""
    trl_default: float
    matmul: float
    """Seconds of one product of two float32 matrices of `SQUARE` rows and columns."""

    @property
    def ours(self) -> float:
        """Of all epochs: one from empty caches, the others from full ones."""
        return (self.cold + (EPOCHS - 1) * self.warm) / EPOCHS

    @property
    def trl(self) -> float:
        """At its best settings: without checkpointing it computes less, and writes more to fresh memory."""
        return min(self.trl_unchecked, self.trl_default)


def _times(image_tokens: int, response_tokens: int, *, bf16: bool = False) -> Times:
    """Ours with the base in the precision; TRL's as it does it fastest, casting a float32 base."""
    shape = _llava.Shape().seeing(image_tokens)
    processor = _llava.new_processor(shape)
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        data = pairs(folder, response_tokens)
        dtype = torch.bfloat16 if bf16 else torch.float32
        vlm = _llava.as_base(_llava.new_model(shape, dtype=dtype), processor)
        trainers = {
            name: trl_trainer(shape, processor, data, folder, **settings, bf16=bf16)
            for name, settings in {"trl_unchecked": _trl.UNCHECKED, "trl_default": _trl.DEFAULTS}.items()
        }
        for repetition in range(REPETITIONS):
            ours = step_seconds(vlm, data, folder / f"run{repetition}")
            times["cold"].append(statistics.mean(ours[:STEPS]))
            times["warm"] += ours[STEPS:]
            for name, trainer in trainers.items():
                times[name] += _trl.step_seconds(trainer, 1)
            times["matmul"].append(_matmul_seconds())
    medians = {name: statistics.median(found) for name, found in times.items()}
    case = f"{image_tokens} image tokens, responses of {response_tokens}{', bfloat16' if bf16 else ''}"
    _say(f"{case}: seconds a step {', '.join(f'{name} {value:.2f}' for name, value in medians.items())}")
    return Times(**medians)


def _memory_figures() -> dict[str, float]:
    ours, trl = (_memory.peaks(side, 576, RESPONSES["short"]) for side in ("ours", "trl"))
    for side, peaks in {"ours": ours, "trl": trl}.items():
        _say(f"peak of {side}: " + ", ".join(f"{name} {n / 2**30:.2f} GiB" for name, n in peaks.items()))
    return {
        "train_memory_vs_trl_576_short": ours["all"] / trl["all"],
        "train_memory_beside_model_vs_trl_576_short": ours["beside_model"] / trl["beside_model"],
    }


def _work_figures(times: Times) -> dict[str, float]:
    shape, response_tokens = _llava.Shape().seeing(576), RESPONSES["short"]
    vlm = _llava.as_base(_llava.new_model(shape), _llava.new_processor(shape))
    with tempfile.TemporaryDirectory() as made:
        data = one_batch(pairs(Path(made), response_tokens))
        done = _flops.counted(lambda: step_seconds(vlm, data, Path(made) / "run")) / EPOCHS
    least = _flops.unavoidable(
        shape,
        batch=BATCH,
        prompt_tokens=PROMPT_TOKENS,
        response_tokens=response_tokens,
        rank=RANK,
        epochs=EPOCHS,
    )
    _say(f"a step takes {done:.3g} operations, and {least:.3g} cannot be avoided")
    return {
        "train_flops_over_minimum_576_short": done / least,
        "train_matmul_efficiency_576_short": least / (2 * SQUARE**3) * times.matmul / times.ours,
    }


def _agreement_figures() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as made:
        data = one_batch(pairs(Path(made), RESPONSES["short"]))
        apart = _agreement.compare(_llava.Shape().seeing(256), data, Path(made) / "trl", rank=RANK)
    return {
        "train_logps_max_difference": apart.logps,
        "train_gradient_relative_difference": apart.gradient,
    }


def pairs(folder: Path, response_tokens: int) -> PairSet:
    """The pairs of an epoch, in `folder/pairs`."""
    return _llava.make_pairs(
        folder / "pairs",
        pairs=STEPS * BATCH,
        prompt_tokens=PROMPT_TOKENS,
        response_tokens=response_tokens,
    )


def one_batch(data: PairSet) -> PairSet:
    """The first pairs, as many as a batch has."""
    return replace(data, pairs=data.pairs[:BATCH])


def step_seconds(vlm: VisionLanguageModel, data: PairSet, folder: Path) -> list[float]:
    """Train from empty caches and say how long each step took; the base is as before."""
    train(vlm, data, RUN, folder, Execution()).lora.remove()
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    ends = [line["seconds"] for line in lines if "seconds" in line]
    return [end - begin for begin, end in zip([0.0, *ends], ends, strict=False)]


def trl_trainer(shape: _llava.Shape, processor: Any, data: PairSet, folder: Path, **settings: Any) -> Any:
    """TRL's trainer on a base of its own with the same weights."""
    model = _llava.new_model(shape)
    return _trl.new_trainer(model, processor, data, folder / "trl", batch=BATCH, rank=RANK, **settings)


def _matmul_seconds() -> float:
    one, other = torch.randn(2, SQUARE, SQUARE)
    began = time.perf_counter()
    one @ other
    return time.perf_counter() - began


def _say(what: str) -> None:
    print(f"  {what}", flush=True)
