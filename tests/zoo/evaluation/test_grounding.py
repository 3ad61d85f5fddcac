"""Attention on a region, by hand: grids of 2 x 2 patches."""

import numpy as np
import pytest

from zoo.evaluation.grounding import (
    attention_ratio,
    js_divergence,
    kl_divergence,
    patch_mask,
    relative_attention,
)

TOP_LEFT = np.array([True, False, False, False])
LEFT = np.array([True, False, True, False])


@pytest.mark.parametrize(
    ("attention", "mask", "ratio", "kl", "js"),
    [
        # Inside 2, everywhere (2 + 1 + 1 + 0) / 4 = 1: AR 2. A^ = (1/2, 1/4, 1/4, 0), M^ = (1, 0, 0, 0):
        # KL = ln(1 / (1/2)) = ln 2. The middle is (3/4, 1/8, 1/8, 0):
        # JS = (ln(4/3) + 1/2 ln(2/3) + 1/4 ln 2 + 1/4 ln 2) / 2 = (0.287682 - 0.202733 + 0.346574) / 2.
        ([2.0, 1.0, 1.0, 0.0], TOP_LEFT, 2.0, 0.693147, 0.215762),
        # Even attention: AR 1; KL = ln 2 for half of the patches; the middle is (3/8, 1/8, 3/8, 1/8):
        # JS = (ln(4/3) + 1/2 ln(2/3) + 1/2 ln 2) / 2 = (0.287682 - 0.202733 + 0.346574) / 2.
        ([1.0, 1.0, 1.0, 1.0], LEFT, 1.0, 0.693147, 0.215762),
        # All of it on the region, evenly: AR = 4 / 2, nothing to tell apart.
        ([3.0, 0.0, 3.0, 0.0], LEFT, 2.0, 0.0, 0.0),
        # None of it: AR 0; KL = ln(1 / 1e-12) = 12 ln 10; JS = ln 2.
        ([0.0, 1.0, 0.0, 0.0], TOP_LEFT, 0.0, 27.631021, 0.693147),
    ],
)
def test_on_grids_of_two_by_two(
    attention: list[float], mask: np.ndarray, ratio: float, kl: float, js: float
) -> None:
    layers = np.array([attention, [7 * a for a in attention]])  # the scale of the attention does not matter
    np.testing.assert_allclose(attention_ratio(layers, mask), [ratio] * 2, atol=1e-6)
    np.testing.assert_allclose(kl_divergence(layers, mask), [kl] * 2, atol=1e-5)
    np.testing.assert_allclose(js_divergence(layers, mask), [js] * 2, atol=1e-6)


def test_what_every_prompt_looks_at_cancels_out() -> None:
    general = np.array([[0.4, 0.1, 0.1, 0.0]])
    found = relative_attention(np.array([[0.4, 0.2, 0.1, 0.0]]), general)
    np.testing.assert_allclose(found, [[1.0, 2.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("coverage", "inside"),
    [
        ([[1.0, 0.5], [0.49, 0.0]], [True, True, False, False]),
        ([[0.1, 0.3], [0.3, 0.0]], [False, True, True, False]),  # a region smaller than a patch
        ([[0.0, 0.005], [0.0, 0.0]], None),
    ],
)
def test_a_patch_is_inside_if_half_of_it_is(coverage: list[list[float]], inside: list[bool] | None) -> None:
    found = patch_mask(np.array(coverage))
    assert (found if found is None else found.tolist()) == inside
