"""Attention by layer: of several adapters at once what each gives alone, and whose mean the map is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests._adapters import random_adapter
from zoo.vlm.attention import attention_map, layer_attention
from zoo.vlm.bank import AdapterBank
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel

PROMPT = "On which side is the nodule?"


def test_adapters_at_once_look_where_each_looks_alone(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures], tmp_path: Path
) -> None:
    bare = layer_attention(vlm, features[0], PROMPT)
    assert bare.shape == (1, 3, 8, 8)
    assert 0 < bare.min() < bare.sum(axis=(2, 3)).max() < 1  # shares; the prompt's words have the rest
    manifests = [random_adapter(tmp_path / f"{n}", vlm, seed=n, rank=4 * n) for n in (1, 2)]
    bank = AdapterBank(vlm, slots=3, max_rank=8)
    for slot, manifest in enumerate(manifests, start=1):
        bank.load(slot, tmp_path / f"{slot}", manifest)
    together = layer_attention(vlm, features[0], PROMPT, slots=[0, 1, 2])
    np.testing.assert_allclose(together[0], bare[0], atol=1e-6)
    assert np.abs(together[1] - bare[0]).max() > 1e-3
    for slot in range(3):
        alone = layer_attention(vlm, features[0], PROMPT, slots=[slot])
        np.testing.assert_allclose(together[slot], alone[0], atol=1e-6)
        mean = together[slot].mean(axis=0)
        np.testing.assert_allclose(
            attention_map(vlm, features[0], PROMPT, slot=slot), mean / mean.max(), atol=1e-5
        )
