"""The reference's distribution for FiRe-MPO's KL: its hidden states kept, against two other ways to have it.

The peers: to run the reference again at each step, all else kept; and to keep the distribution itself. Whole
steps, forward and backward, of a random LLaVA of 65 million parameters with 256 image tokens; two pairs with
a rejected image each, prompts of 24 tokens and responses of 20, of which six lie in spans.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from tests._losses import loss_on
from tests.benchmarks._llava import Shape, as_base, make_pairs, new_model, new_processor
from training.cache import ReferenceCache
from training.data import PairSet
from training.scoring import BranchScorer
from training.variants import get_variant
from zoo.vlm.features import FeatureCache
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.store import Tensors, TensorStore

PAIRS = 2
SPAN_TOKENS = 6
REPETITIONS = 3


class _Kept(TensorStore):
    """A store that notes the hidden states that it is given, and forgets them if it is told to."""

    def __init__(self, *, forgets: bool) -> None:
        super().__init__()
        self._forgets = forgets
        self.hidden: dict[str, torch.Tensor] = {}

    def put(self, found: Mapping[str, Tensors]) -> None:
        self.hidden |= {key: tensors["hidden"] for key, tensors in found.items() if "hidden" in tensors}
        super().put({key: one for key, one in found.items() if not (self._forgets and "hidden" in one)})


def measure() -> dict[str, float]:
    """Time of a step that runs the reference again over one that keeps hidden states; bytes of the
    distribution over those of the hidden states; and the share of a step that the distribution's making
    takes, which is the most that keeping it could save."""
    shape = Shape()
    vlm = as_base(new_model(shape), new_processor(shape))
    stores = {"kept": _Kept(forgets=False), "again": _Kept(forgets=True)}
    objective = get_variant("fire_mpo").objective
    with tempfile.TemporaryDirectory() as folder:
        data = _pairs(Path(folder) / "pairs")
        features = FeatureCache(vlm, TensorStore())
        scorers = {
            name: BranchScorer(
                vlm, data, objective, features=features, references=ReferenceCache(store, "base")
            )
            for name, store in stores.items()
        }
        lora = TrainableLora(vlm, LoraSpec(), seed=0)

        def step(name: str) -> None:
            loss = loss_on(objective, scorers[name], range(PAIRS), lora).mean()
            torch.autograd.grad(loss, lora.parameters)

        step("kept")
        hidden = torch.cat(list(stores["kept"].hidden.values()))

        def make() -> torch.Tensor:
            with torch.no_grad():
                return vlm.logits(hidden).log_softmax(dim=-1)

        median = _medians({"kept": lambda: step("kept"), "again": lambda: step("again"), "make": make})
    return {
        "reference_rerun_over_kept": median["again"] / median["kept"],
        "reference_distribution_bytes_over_hidden": make().nbytes / hidden.nbytes,
        "reference_distribution_making_over_step": median["make"] / median["kept"],
    }


def _pairs(folder: Path) -> PairSet:
    data = make_pairs(folder, pairs=PAIRS, prompt_tokens=24, response_tokens=20)
    images = [pair.images for pair in data.pairs]

    def spans(text: str) -> tuple[tuple[int, int]]:
        return ((0, len(" ".join(text.split()[:SPAN_TOKENS]))),)

    pairs = (
        replace(
            pair,
            rejected_images=other,
            chosen_spans=spans(pair.chosen),
            rejected_spans=spans(pair.rejected or ""),
        )
        for pair, other in zip(data.pairs, images[1:] + images[:1], strict=True)
    )
    return replace(data, pairs=tuple(pairs))


def _medians(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(REPETITIONS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if repetition:  # the first is a warm-up
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in times.items()}
