"""Eight adapters evaluated in one pass through the bank, over one adapter in such a pass.

The base answers in either, so what is compared is nine rows a question with two. Phantom questions of all
types, random adapters of rank 16 on all seven targets that leave the answers' lengths near the base's,
float32, from loaded weights to finished predictions: the pictures are opened and encoded anew each time. The
passes take turns and medians are compared; the image ablation is off.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests._adapters import random_adapter
from zoo.bases import get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.evaluation.predict import predict
from zoo.vlm.model import VisionLanguageModel, load_base

ADAPTERS = 8
QUESTIONS = 250
REPETITIONS = 5


def measure() -> dict[str, float]:
    """The ratio, answers a second with eight, and how often the vision tower ran for a distinct picture."""
    questions = load_questions("phantom", "test", limit=QUESTIONS)
    times: dict[int, list[float]] = {1: [], ADAPTERS: []}
    answers: dict[int, int] = {}
    encodes = 0.0
    with tempfile.TemporaryDirectory() as made:
        folders = [Path(made) / f"a{number}" for number in range(ADAPTERS)]
        for seed, folder in enumerate(folders):
            random_adapter(folder, load_base(get_base("phantom")), seed=seed, spread=0.02)
        for repetition in range(REPETITIONS + 1):
            for count, found in times.items():
                vlm = load_base(get_base("phantom"))
                seen = _count_pictures(vlm)
                began = time.perf_counter()
                said = _ask(vlm, folders[:count], questions)
                if repetition:  # the first is a warm-up
                    found.append(time.perf_counter() - began)
                answers[count] = len(said)
                distinct = {digest for one in said for digest in one.shown_digests}
                encodes = max(encodes, sum(seen) / len(distinct))
    lengths = {name: statistics.mean(a.tokens for a in said if a.adapter == name) for name in ("base", "a0")}
    assert 0.5 < lengths["a0"] / lengths["base"] < 2, lengths
    median = {count: statistics.median(found) for count, found in times.items()}
    return {
        "evaluate8_over_1": median[ADAPTERS] / median[1],
        "evaluate8_answers_per_second": answers[ADAPTERS] / median[ADAPTERS],
        "vision_encodes_per_image": encodes,
    }


def _ask(vlm: VisionLanguageModel, folders: list[Path], questions: QuestionSet) -> list[Any]:
    return predict(vlm, folders, [questions], names=[folder.name for folder in folders]).answers


def _count_pictures(vlm: VisionLanguageModel) -> list[int]:
    """How many pictures go through the vision tower, a number each time that it runs."""
    runs: list[int] = []

    def count(module: Any, words: tuple[Any, ...], named: dict[str, Any]) -> None:
        runs.append(len(words[0] if words else named["pixel_values"]))

    vlm.model.model.vision_tower.register_forward_pre_hook(count, with_kwargs=True)
    return runs
