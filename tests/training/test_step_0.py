"""The loss of each method of the papers at step 0, where policy equals reference, against a value by hand."""

import math

import pytest
import torch

from tests._losses import loss_of, whole
from training.grid import Batch, Branch, Scores
from training.variants import get_variant

LN_2 = math.log(2)
GAMMA = 0.1
STEP_0 = {
    "sft": 1.0,
    "dpo": LN_2,
    "text_hallu": LN_2,
    "text_hallu_nll": LN_2 + 1,
    "text_noise": LN_2,
    "text_noise_nll": LN_2 + 1,
    "irpo": LN_2 + 1,
    "image_noise": LN_2,
    "image_roi": LN_2,
    "mdpo": 3 * LN_2,
    "mmedpo": LN_2,
    "mmedpo_joint": LN_2,
    "targeted_dpo": LN_2,
    "targeted_copo": LN_2,
    "targeted_mdpo": 3 * LN_2,
    "fire_mpo": (1 + GAMMA) * LN_2,
    "rrpo": LN_2,
    "rrpo_phrase_kl": LN_2,
    "mask_dpo": LN_2,
    "mask_dpo_phrase": LN_2,
    "self_rewarding": LN_2,
    "povid": LN_2,
    "sima": LN_2,
    "stllava_med": LN_2,
    "fisao_style": 1.0,
}


def at_step_0() -> Batch:
    """A pair of three tokens a branch, -1 each, with spans, weight and rewards; policy = reference.

    The distribution is uniform over four tokens, and the reward of each token is 1.
    """
    uniform = torch.full((3, 4), 0.25).log()
    scores = Scores(
        logps=torch.full((1, 3), -1.0),
        mask=torch.ones(1, 3, dtype=torch.bool),
        reference=torch.full((1, 3), -1.0),
        spans=torch.tensor([[False, True, False]]),
        rewards=torch.ones(1, 3),
        distribution=whole(uniform, uniform, pair=torch.zeros(3, dtype=torch.long), column=torch.arange(3)),
    )
    return Batch(
        dict.fromkeys(Branch, scores),
        weights=torch.ones(1),
        argmaxes={branch: torch.tensor([[2, 0, 3]]) for branch in Branch},
    )


@pytest.mark.parametrize("name", sorted(STEP_0))
def test_a_variants_value_where_policy_equals_reference(name: str) -> None:
    """Each preference or anchor term is ln 2 times its weight, NLL of tokens at -1 is 1, every KL 0."""
    assert loss_of(get_variant(name).objective, at_step_0()).tolist() == pytest.approx([STEP_0[name]])


def test_fire_mpo_begins_where_its_paper_says() -> None:
    """(1 + 0.1) ln 2 = 0.76246."""
    assert loss_of(get_variant("fire_mpo").objective, at_step_0()).item() == pytest.approx(0.7625, abs=5e-5)


@pytest.mark.parametrize(("name", "expected"), [("povid", LN_2), ("stllava_med", 2.0)])
def test_an_earlier_stages_value_where_policy_equals_reference(name: str, expected: float) -> None:
    """POVID's first stage is DPO; STLLaVA-Med's is NLL of answer and question, 1 each."""
    (stage,) = get_variant(name).earlier
    assert loss_of(stage.objective, at_step_0()).tolist() == pytest.approx([expected])
