"""Answers that nobody gave: each adapter is right on a stated share of the questions."""

from collections.abc import Mapping, Sequence

import numpy as np

from zoo.records import Prediction, Shown

ADAPTERS = {"base": 0.5, "acme/sft": 0.7, "acme/mdpo": 0.95, "acme/dpo": 0.7}
"""Share of right answers by adapter; the last part of the name is the variant."""
LEAK = "leak: 3 of the 40 pictures of test are in train too, 1 more have a near duplicate there"


def answers(
    adapters: Mapping[str, float] = ADAPTERS,
    *,
    dataset: str = "phantom",
    questions: int = 120,
    seeds: Sequence[int] = (0,),
    shown: Shown = "own",
    kinds: Sequence[str] = ("closed", "open"),
) -> list[Prediction]:
    """A question is of each answer type in turn, one in three of SLC, three about an image."""
    found = []
    for name, share in adapters.items():
        for seed in seeds:
            draws = np.random.default_rng([seed, shown == "own"]).random(questions)
            right = draws < (share if shown == "own" else 0.5 * share)
            for number in range(questions):
                kind = kinds[number % len(kinds)]
                found.append(
                    Prediction(
                        question_id=f"{dataset}/{number}",
                        dataset=dataset,
                        split="test",
                        images=(f"{number // 3}.png",),
                        prompt="?",
                        truth="yes" if kind == "closed" else "left upper zone",
                        answer_type=kind,  # type: ignore[arg-type]
                        question_type="side" if number % 2 else "presence",
                        options=("yes", "no") if kind == "closed" else (),
                        error_types=("SLC",) if number % 3 == 0 else ("AM",),
                        base="phantom@" + "a" * 40,
                        adapter=name if len(seeds) == 1 else f"{name}-{seed}",
                        variant=name.rpartition("/")[2],
                        digest="" if name == "base" else "d" * 64,
                        answer=("yes" if kind == "closed" else "left upper zone") if right[number] else "no",
                        tokens=3,
                        finish="stop",
                        seed=seed,
                        shown=shown,
                    )
                )
    return found
