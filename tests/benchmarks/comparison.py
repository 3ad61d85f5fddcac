"""One question to eight adapters: a batch through the bank, against a bare batch and PEFT's own two ways.

LLaVA of 65 M parameters with random weights, 256 image tokens, eight random adapters of rank 16 on all
seven targets, 24 new tokens each, greedy, float32; every way encodes the image anew. The peers are what a
user would write: transformers' `generate` of eight rows on the bare base with one vision pass; `set_adapter`
and `generate` for each adapter in turn; one `generate` with `adapter_names`. All must give the same tokens.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from PIL import Image

from tests._adapters import random_adapter
from tests.benchmarks import _llava
from zoo.asking import Sampling
from zoo.manifest import read_manifest
from zoo.phantom.scans import make_scan
from zoo.vlm.bank import AdapterBank
from zoo.vlm.batch import pad_batch
from zoo.vlm.decode import Row
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel

ADAPTERS = 8
TOKENS = 24
REPETITIONS = 7
QUESTION = " ".join(f"w{number}" for number in range(100, 120))


def measure() -> dict[str, float]:
    """Ours over a bare batch of the base: the price of the adapters; and PEFT's time over ours."""
    shape = _llava.Shape()
    processor = _llava.new_processor(shape)
    with tempfile.TemporaryDirectory() as made:
        return compare(lambda: _llava.as_base(_llava.new_model(shape), processor), Path(made))


def compare(
    load: Callable[[], VisionLanguageModel], made: Path, *, repetitions: int = REPETITIONS
) -> dict[str, float]:
    """The same for any base, given what loads it bare; the adapters are made in a folder."""
    folders = [made / f"a{number}" for number in range(ADAPTERS)]
    bare, banked, tuned = (load() for _ in range(3))
    for seed, folder in enumerate(folders):
        random_adapter(folder, bare, seed=seed)
    bank = AdapterBank(banked, slots=len(folders) + 1, max_rank=16)
    for slot, folder in enumerate(folders, start=1):
        bank.load(slot, folder, read_manifest(folder))
    names = [folder.name for folder in folders]
    model: Any = PeftModel.from_pretrained(tuned.model, str(folders[0]), adapter_name=names[0])
    for folder in folders[1:]:
        model.load_adapter(str(folder), folder.name)
    for vlm in (bare, banked, tuned):
        vlm.ends = frozenset()  # never said, so no answer ends early and all do the same work
    image = Image.fromarray(make_scan(0).pixels).convert("RGB")

    def ours(slots: list[int]) -> list[str]:
        features = banked.encode_images([image])
        asked = [Row(features, QUESTION, slot, Sampling(max_tokens=TOKENS)) for slot in slots]
        return [answer.text for answer in generate(banked, asked)]

    def sequential() -> list[str]:
        said = []
        for name in names:
            model.set_adapter(name)
            said += _plain(tuned, model, image, 1)
        return said

    ways: dict[str, Callable[[], list[str]]] = {
        "bare": lambda: _plain(bare, bare.model, image, len(names)),
        "ours": lambda: ours(list(range(1, len(names) + 1))),
        "ours on the base": lambda: ours([0] * len(names)),
        "sequential": sequential,
        "mixed": lambda: _plain(tuned, model, image, len(names), adapter_names=names),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    said: dict[str, list[str]] = {}
    for repetition in range(repetitions + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            said[name] = way()  # texts, so the device is done
            if repetition:  # the first is a warm-up
                times[name].append(time.perf_counter() - began)
    if bare.precision == "float32":  # in others the likeliest tokens are too near to what a batch rounds
        assert said["ours"] == said["sequential"] == said["mixed"]
        assert said["ours on the base"] == said["bare"]
    assert len(set(said["ours"])) == len(names), "the adapters say the same"
    median = {name: statistics.median(found) for name, found in times.items()}
    return {
        "compare8_seconds": median["ours"],
        "compare8_over_base_batch": median["ours"] / median["bare"],
        "compare8_base_rows_over_base_batch": median["ours on the base"] / median["bare"],
        "compare8_speedup_vs_peft_sequential": median["sequential"] / median["ours"],
        "compare8_speedup_vs_peft_mixed": median["mixed"] / median["ours"],
    }


@torch.no_grad()
def _plain(vlm: VisionLanguageModel, model: Any, image: Image.Image, rows: int, **settings: Any) -> list[str]:
    """transformers' own generation for some rows about one image, which is encoded once."""
    features = vlm.encode_images([image])
    batch = pad_batch(vlm, [vlm.prompt_ids(QUESTION, features)] * rows, [features] * rows, side="left")
    found = model.generate(
        **batch.model_inputs(),
        do_sample=False,
        max_new_tokens=TOKENS,
        eos_token_id=len(vlm.tokenizer),  # never said
        pad_token_id=vlm.tokenizer.pad_token_id,
        **settings,
    )
    answers = found[:, batch.input_ids.shape[1] :]
    return [vlm.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in answers]
