"""TRL's DPOTrainer on one of our pair sets: the same images as files, texts, base and shape of LoRA.

It knows nothing of how our own training works.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Image
from datasets import Sequence as ListOf
from peft import LoraConfig
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

from training.data import PairSet
from zoo.bases import LLAMA_TARGETS

DEFAULTS: dict[str, Any] = {"use_cpu": True}
"""What it cannot run without on a machine without a GPU; the precision is the measurement's to say."""
UNCHECKED: dict[str, Any] = DEFAULTS | {"gradient_checkpointing": False}
"""The one setting that may make it faster here. Reference log-probs made ahead and sequences without padding
it refuses for images; a compiled model (`torch_compile`) takes as long; reading and preparing a batch is a
small part of a step, so that worker processes have little to win, and two cores to share."""


class Clock(TrainerCallback):  # type: ignore[misc]
    """Seconds of each optimiser step, from the end of the one before: what prepares its batch counts."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._last = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def new_trainer(
    model: Any, processor: Any, data: PairSet, folder: Path, *, batch: int, rank: int, **settings: Any
) -> DPOTrainer:
    """A trainer with a new LoRA of that rank on the model's language model, scale 2."""
    targets = "|".join(LLAMA_TARGETS)
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=batch,
            report_to="none",
            save_strategy="no",
            **settings,
        ),
        train_dataset=as_dataset(data, processor),
        processing_class=processor,
        peft_config=LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=rf".*language_model\..*\.({targets})"
        ),
    )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def as_dataset(data: PairSet, processor: Any) -> Dataset:
    """The pairs as TRL reads them; images are opened from their files batch by batch."""
    end = processor.tokenizer.eos_token
    columns: dict[str, Sequence[Any]] = {
        "images": [[str(data.folder / name) for name in pair.images] for pair in data.pairs],
        "prompt": [_turn(processor, pair.prompt) for pair in data.pairs],
        "chosen": [pair.chosen + end for pair in data.pairs],
        "rejected": [f"{pair.rejected}{end}" for pair in data.pairs],
    }
    return Dataset.from_dict(columns).cast_column("images", ListOf(Image()))


def step_seconds(trainer: DPOTrainer, steps: int) -> list[float]:
    """Train so many steps and say how long each took."""
    clock = Clock()
    trainer.add_callback(clock)
    trainer.args.max_steps = steps
    trainer.train()
    trainer.remove_callback(clock)
    return clock.seconds


def _turn(processor: Any, prompt: str) -> str:
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    text: str = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    return text
