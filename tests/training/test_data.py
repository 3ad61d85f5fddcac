"""Pair sets as training reads them: what a pair must have."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training.data import read_pair_set
from training.pairs.build import build_pairs
from training.pairs.step import Tools
from training.variant import Variant
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import Given, load_questions
from zoo.errors import BadRecord
from zoo.records import PreferencePair, read_jsonl, write_jsonl


@pytest.fixture
def pairs_of(tmp_path: Path) -> Callable[..., tuple[Path, Variant]]:
    """Call it with changes of a pair to get a set of that pair, and a variant that reads its spans."""

    def make(**changes: Any) -> tuple[Path, Variant]:
        found = load_questions("phantom", "train", limit=1)
        given = {found.questions[0].id: Given(rejected="a mass", weight=None)}
        variant = replace(get_variant("mask_dpo"), steps=get_variant("dpo").steps)
        folder = tmp_path / "pairs"
        tools = Tools(questions=replace(found, given=given), seed=0)
        build_pairs("mask_dpo", variant.steps, tools, folder, base=get_base("phantom").pinned)
        (pair,) = read_jsonl(folder / "pairs.jsonl", PreferencePair)
        write_jsonl(folder / "pairs.jsonl", [replace(pair, **changes)])
        return folder, variant

    return make


@pytest.mark.parametrize(
    ("changes", "side"),
    [
        ({"chosen_spans": ((0, 1),)}, "rejected"),
        ({"chosen_spans": ((0, 1),), "rejected_spans": ()}, "rejected"),
        ({"rejected_spans": ((0, 1),)}, "chosen"),
        ({}, "chosen"),
    ],
)
def test_a_pair_without_spans_of_either_side_is_refused_and_not_taken_as_0(
    changes: dict[str, Any], side: str, pairs_of: Callable[..., tuple[Path, Variant]]
) -> None:
    folder, variant = pairs_of(**changes)
    with pytest.raises(BadRecord, match=f"has no spans of its {side} response, and mask_dpo reads some"):
        read_pair_set(folder, variant, base=get_base("phantom").pinned)


def test_a_pair_set_that_has_changed_is_refused(pairs_of: Callable[..., tuple[Path, Variant]]) -> None:
    folder, variant = pairs_of(chosen_spans=((0, 1),), rejected_spans=((0, 1),))
    with pytest.raises(BadRecord, match="has changed since it was made"):
        read_pair_set(folder, variant, base=get_base("phantom").pinned)
