"""An optimiser step of DPO: TRL's DPOTrainer against our training loop, on the same model, pairs and LoRA.

The base is a LLaVA of 66 million parameters with random weights (`_llava.Shape`), the pairs are drawn: scans
as files, prompts of 24 tokens beside the image's, responses of 20 or 128. Ours is `training.loop.train` for
three epochs over images that it has not seen: vision features and reference log-probs are made in the first
and counted. TRL's steps all cost the same. Both sides take turns in one process, in float32.
"""

import json
import statistics
import tempfile
from pathlib import Path

from tests.benchmarks import _llava, _trl
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
"""An epoch of ours, and a turn of TRL's best settings; its defaults take one a turn."""
RANK = 16
REPETITIONS = 3

RUN = Run(
    objective=get_variant("dpo").objective,
    numbers=Numbers(batch_size=BATCH, epochs=EPOCHS, rank=RANK, alpha=2 * RANK),
    lora=LoraSpec(r=RANK, alpha=2 * RANK),
    seed=0,
)


def measure() -> dict[str, float]:
    """`train_speedup_vs_trl_IMAGETOKENS_RESPONSES`: TRL's time a step at its best settings over ours of three
    epochs; `..._default` at its defaults; `train_warm_speedup_...` over ours once the caches are full."""
    figures: dict[str, float] = {}
    for image_tokens in IMAGE_TOKENS:
        for name, response_tokens in RESPONSES.items():
            figures |= _speedups(image_tokens, name, response_tokens)
    return figures


def _speedups(image_tokens: int, name: str, response_tokens: int) -> dict[str, float]:
    shape = _llava.Shape().seeing(image_tokens)
    processor = _llava.new_processor(shape)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        data = pairs(folder, response_tokens)
        vlm = _llava.as_base(_llava.new_model(shape), processor)
        best, default = (
            _trl.new_trainer(
                _llava.new_model(shape), processor, data, folder / "trl", batch=BATCH, rank=RANK, **settings
            )
            for settings in (_trl.BEST, _trl.DEFAULTS)
        )
        times: dict[str, list[float]] = {"cold": [], "warm": [], "best": [], "default": []}
        for repetition in range(REPETITIONS):
            ours = step_seconds(vlm, data, folder / f"run{repetition}")
            times["cold"].append(statistics.mean(ours[:STEPS]))
            times["warm"] += ours[STEPS:]
            times["best"] += _trl.step_seconds(best, STEPS)
            times["default"] += _trl.step_seconds(default, 1)
    median = {side: statistics.median(found) for side, found in times.items()}
    print(
        f"  {image_tokens} {name}, s a step:",
        ", ".join(f"{s} {t:.2f}" for s, t in median.items()),
        flush=True,
    )
    ours_mean = (median["cold"] + (EPOCHS - 1) * median["warm"]) / EPOCHS
    return {
        f"train_speedup_vs_trl_{image_tokens}_{name}": median["best"] / ours_mean,
        f"train_speedup_vs_trl_{image_tokens}_{name}_default": median["default"] / ours_mean,
        f"train_warm_speedup_vs_trl_{image_tokens}_{name}": median["best"] / median["warm"],
    }


def pairs(folder: Path, response_tokens: int) -> PairSet:
    """The pairs of an epoch, in `folder/pairs`."""
    return _llava.make_pairs(
        folder / "pairs",
        pairs=STEPS * BATCH,
        prompt_tokens=PROMPT_TOKENS,
        response_tokens=response_tokens,
    )


def step_seconds(vlm: VisionLanguageModel, data: PairSet, folder: Path, run: Run = RUN) -> list[float]:
    """Train from empty caches and say how long each step took; the base is as before."""
    train(vlm, data, run, folder, Execution()).lora.remove()
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    ends = [line["seconds"] for line in lines if "seconds" in line]
    return [end - begin for begin, end in zip([0.0, *ends], ends, strict=False)]
