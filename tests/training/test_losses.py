"""Losses against numbers worked out by hand."""

import math

import pytest
import torch

from training.losses import anchor_loss, nll_loss, preference_loss


def test_preference_loss_is_minus_log_sigmoid_of_the_scaled_margin() -> None:
    """beta 0.1, margin 2 - (-3) = 5: -log S(0.5) = log(1 + e^-0.5) = log(1.60653066) = 0.47407698."""
    loss = preference_loss(torch.tensor([2.0]), torch.tensor([-3.0]), beta=0.1)
    assert loss.tolist() == pytest.approx([0.47407698])


def test_preference_loss_is_ln_2_where_policy_equals_reference() -> None:
    loss = preference_loss(torch.zeros(3), torch.zeros(3), beta=0.1)
    assert loss.tolist() == pytest.approx([math.log(2)] * 3)


def test_preference_loss_falls_as_the_margin_grows() -> None:
    margins = torch.linspace(-40, 40, 9)
    losses = preference_loss(margins, torch.zeros(9), beta=0.1)
    assert (losses.diff() < 0).all()


def test_anchor_loss_subtracts_delta_inside_the_sigmoid() -> None:
    """beta 0.1, r = 10, delta 1: -log S(0) = ln 2; delta 0: -log S(1) = log(1 + e^-1) = 0.31326169."""
    ratio = torch.tensor([10.0])
    assert anchor_loss(ratio, beta=0.1, delta=1.0).tolist() == pytest.approx([math.log(2)])
    assert anchor_loss(ratio, beta=0.1, delta=0.0).tolist() == pytest.approx([0.31326169])


def test_nll_is_a_mean_over_response_tokens_and_ignores_padding() -> None:
    """Log-probs -1, -3 then padding: (1 + 3) / 2 = 2; a single token of -0.5: 0.5."""
    logps = torch.tensor([[-1.0, -3.0, -99.0], [-0.5, -99.0, -99.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert nll_loss(logps, mask).tolist() == pytest.approx([2.0, 0.5])
