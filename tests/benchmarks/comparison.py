"""One question to four adapters: a mixed batch through the bank, against PEFT's own two ways.

The peers are what a user would write: `set_adapter` and `generate` for each adapter in turn, and one
`generate` with `adapter_names`. The same phantom base, greedy, 24 tokens.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.vlm.bank import AdapterBank
from zoo.vlm.batch import pad_batch
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import Row, generate
from zoo.vlm.model import VisionLanguageModel, load_base

ADAPTERS = 4
TOKENS = 24
REPETITIONS = 9


def measure() -> dict[str, float]:
    """PEFT's time over ours, and ours over a bare batch of the base: the price of the adapters."""
    questions = load_questions("phantom", "test", limit=1)
    image = questions.open_image(questions.questions[0].images[0])
    bare, banked, peft = (load_base(get_base("phantom")) for _ in range(3))
    for vlm in (bare, banked, peft):
        vlm.end_of_turn = len(vlm.tokenizer)  # never said, so no answer ends early and all do the same work
    bank = AdapterBank(banked, slots=ADAPTERS + 1, max_rank=16)
    for slot in range(1, ADAPTERS + 1):
        bank.resident[slot] = "zeros"  # which take as long as any other weights
    model = _with_adapters(peft)
    rows = [(bare, [0] * ADAPTERS), (banked, list(range(1, ADAPTERS + 1)))]

    def ours(vlm: VisionLanguageModel, slots: list[int]) -> None:
        features = vlm.encode_images([image])
        generate(vlm, [Row(features, "What is shown?", slot) for slot in slots], max_new_tokens=TOKENS)

    def sequential() -> None:
        for number in range(ADAPTERS):
            model.set_adapter(f"a{number}")
            generate(peft, [Row(peft.encode_images([image]), "What is shown?")], max_new_tokens=TOKENS)

    def mixed() -> None:
        features = peft.encode_images([image])
        _generate_mixed(peft, model, features)

    ways: dict[str, Callable[[], None]] = {
        "bare": lambda: ours(*rows[0]),
        "bank": lambda: ours(*rows[1]),
        "sequential": sequential,
        "mixed": mixed,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(REPETITIONS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if repetition:  # the first is a warm-up
                times[name].append(time.perf_counter() - began)
    median = {name: statistics.median(found) for name, found in times.items()}
    return {
        "compare_4_speedup_vs_peft_sequential": median["sequential"] / median["bank"],
        "compare_4_speedup_vs_peft_mixed_batch": median["mixed"] / median["bank"],
        "compare_4_over_bare_base": median["bank"] / median["bare"],
    }


def _with_adapters(vlm: VisionLanguageModel) -> Any:
    targets = "|".join(vlm.base.lora_targets)
    config = LoraConfig(
        r=16, lora_alpha=32, target_modules=rf".*language_model\..*\.({targets})", init_lora_weights=False
    )
    model = get_peft_model(vlm.model, config, adapter_name="a0")
    for number in range(1, ADAPTERS):
        model.add_adapter(f"a{number}", config)
    return model.eval()


@torch.no_grad()
def _generate_mixed(vlm: VisionLanguageModel, model: Any, features: ImageFeatures) -> None:
    prompts = [vlm.prompt_ids("What is shown?", features)] * ADAPTERS
    batch = pad_batch(vlm, prompts, [features] * ADAPTERS, side="left")
    model.generate(
        **batch.model_inputs(),
        adapter_names=[f"a{number}" for number in range(ADAPTERS)],
        do_sample=False,
        max_new_tokens=TOKENS,
        eos_token_id=vlm.end_of_turn,
        pad_token_id=vlm.tokenizer.pad_token_id,
    )
