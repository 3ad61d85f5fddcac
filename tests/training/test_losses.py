"""Losses against numbers worked out by hand, against torch's own, and as properties."""

import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence
from torch.nn.functional import kl_div

from training.losses import (
    anchor_loss,
    forward_kl,
    nll_loss,
    policy_gradient_loss,
    preference_loss,
    reverse_kl,
    sum_by_pair,
)

HALF = torch.tensor([[0.5, 0.5]]).log()
FOUR_TO_ONE = torch.tensor([[0.8, 0.2]]).log()


def log_probs(seed: int, *, tokens: int = 6, vocabulary: int = 11) -> torch.Tensor:
    """Random distributions over a vocabulary, as log-probs."""
    logits = torch.randn(tokens, vocabulary, generator=torch.Generator().manual_seed(seed))
    return (3 * logits).log_softmax(dim=-1)


def test_preference_loss_is_minus_log_sigmoid_of_the_scaled_margin() -> None:
    """beta 0.1, margin 2 - (-3) = 5: -log S(0.5) = log(1 + e^-0.5) = log(1.60653066) = 0.47407698."""
    loss = preference_loss(torch.tensor([2.0]), torch.tensor([-3.0]), beta=0.1)
    assert loss.tolist() == pytest.approx([0.47407698])


def test_preference_loss_is_ln_2_where_policy_equals_reference() -> None:
    """Both log ratios 0: -log S(0) = ln 2."""
    loss = preference_loss(torch.zeros(3), torch.zeros(3), beta=0.1)
    assert loss.tolist() == pytest.approx([math.log(2)] * 3)


def test_preference_loss_falls_as_the_margin_grows() -> None:
    margins = torch.linspace(-40, 40, 9)
    losses = preference_loss(margins, torch.zeros(9), beta=0.1)
    assert (losses.diff() < 0).all()


def test_preference_loss_reads_the_margin_alone() -> None:
    """The same amount added to both log ratios changes nothing."""
    ratios = torch.tensor([3.0, -1.0])
    loss = preference_loss(ratios[:1], ratios[1:], beta=0.1)
    assert preference_loss(ratios[:1] + 7, ratios[1:] + 7, beta=0.1).tolist() == pytest.approx(loss.tolist())


def test_preference_loss_stays_finite_at_margins_that_overflow_an_exponential() -> None:
    """-log S(-2000 beta) with beta 1 is 2000 to the last digit, and -log S(2000) is 0."""
    loss = preference_loss(torch.tensor([-1000.0, 1000.0]), torch.tensor([1000.0, -1000.0]), beta=1.0)
    assert loss.tolist() == [2000.0, 0.0]


def test_preference_gradient_pushes_the_two_apart_by_beta_times_the_chance_of_being_wrong() -> None:
    """d/dr_preferred = -beta S(-beta margin): at margin 5, beta 0.1: -0.1 x 0.37754067 = -0.03775407."""
    preferred = torch.tensor([2.0], requires_grad=True)
    other = torch.tensor([-3.0], requires_grad=True)
    preference_loss(preferred, other, beta=0.1).sum().backward()
    assert preferred.grad is not None
    assert other.grad is not None
    assert preferred.grad.tolist() == pytest.approx([-0.03775407])
    assert other.grad.tolist() == pytest.approx([0.03775407])


def test_anchor_loss_subtracts_delta_inside_the_sigmoid() -> None:
    """beta 0.1, r = 10, delta 1: -log S(0) = ln 2; delta 0: -log S(1) = log(1 + e^-1) = 0.31326169."""
    ratio = torch.tensor([10.0])
    assert anchor_loss(ratio, beta=0.1, delta=1.0).tolist() == pytest.approx([math.log(2)])
    assert anchor_loss(ratio, beta=0.1, delta=0.0).tolist() == pytest.approx([0.31326169])


def test_anchor_loss_falls_as_the_response_grows_likelier() -> None:
    losses = anchor_loss(torch.linspace(-40, 40, 9), beta=0.1, delta=0.0)
    assert (losses.diff() < 0).all()


def test_nll_is_a_mean_over_response_tokens_and_ignores_padding() -> None:
    """Log-probs -1, -3 then padding: (1 + 3) / 2 = 2; a single token of -0.5: 0.5."""
    logps = torch.tensor([[-1.0, -3.0, -99.0], [-0.5, -99.0, -99.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert nll_loss(logps, mask).tolist() == pytest.approx([2.0, 0.5])


def test_nll_gradient_is_minus_one_over_the_length_and_none_at_padding() -> None:
    logps = torch.tensor([[-1.0, -3.0, -99.0]], requires_grad=True)
    nll_loss(logps, torch.tensor([[True, True, False]])).sum().backward()
    assert logps.grad is not None
    assert logps.grad.tolist() == [[-0.5, -0.5, 0.0]]


def test_forward_kl_expects_under_the_reference() -> None:
    """Reference (0.8, 0.2), policy (0.5, 0.5): 0.8 ln 1.6 + 0.2 ln 0.4 = 0.37600290 - 0.18325815."""
    assert forward_kl(HALF, FOUR_TO_ONE).tolist() == pytest.approx([0.19274475])


def test_reverse_kl_expects_under_the_policy() -> None:
    """Policy (0.5, 0.5), reference (0.8, 0.2): 0.5 ln 0.625 + 0.5 ln 2.5 = 0.22314355."""
    assert reverse_kl(HALF, FOUR_TO_ONE).tolist() == pytest.approx([0.22314355])


def test_both_kls_agree_with_torchs_own() -> None:
    """Against torch.distributions, and torch.nn.functional.kl_div(q, p), which is KL(p || q)."""
    policy, reference = log_probs(0), log_probs(1)
    forward, reverse = forward_kl(policy, reference), reverse_kl(policy, reference)
    of_policy, of_reference = Categorical(logits=policy), Categorical(logits=reference)
    torch.testing.assert_close(forward, kl_divergence(of_reference, of_policy))
    torch.testing.assert_close(reverse, kl_divergence(of_policy, of_reference))
    torch.testing.assert_close(forward, kl_div(policy, reference, reduction="none", log_target=True).sum(-1))
    torch.testing.assert_close(reverse, kl_div(reference, policy, reduction="none", log_target=True).sum(-1))


@pytest.mark.parametrize("kl", [forward_kl, reverse_kl])
def test_kl_is_positive_between_unlike_distributions_and_0_between_equal_ones(kl: object) -> None:
    assert callable(kl)
    assert (kl(log_probs(2), log_probs(3)) > 0).all()
    assert kl(log_probs(2), log_probs(2)).tolist() == [0.0] * 6


def test_forward_kl_pulls_each_logit_by_its_excess_probability() -> None:
    """The gradient by the policy's logits is softmax - reference: (0.5, 0.5) - (0.8, 0.2) = (-0.3, 0.3)."""
    logits = torch.zeros(1, 2, requires_grad=True)
    forward_kl(logits.log_softmax(dim=-1), FOUR_TO_ONE).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([-0.3, 0.3])


def test_policy_gradient_is_a_mean_of_rewarded_log_probs() -> None:
    """Log-probs -1, -2, padding; rewards 2, -0.5: -(2 x -1 + -0.5 x -2) / 2 = -(-2 + 1) / 2 = 0.5."""
    loss = policy_gradient_loss(
        torch.tensor([[-1.0, -2.0, -99.0]]),
        torch.tensor([[2.0, -0.5, 9.0]]),
        torch.tensor([[True, True, False]]),
    )
    assert loss.tolist() == [0.5]


def test_policy_gradient_makes_rewarded_tokens_likelier_and_punished_ones_rarer() -> None:
    """The gradient is -c_t / |y|: -2 / 3, 0.5 / 3 and, where the reward is 0, none."""
    logps = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    mask = torch.ones(1, 3, dtype=torch.bool)
    policy_gradient_loss(logps, torch.tensor([[2.0, -0.5, 0.0]]), mask).sum().backward()
    assert logps.grad is not None
    assert logps.grad[0].tolist() == pytest.approx([-2 / 3, 0.5 / 3, 0.0])


def test_values_are_summed_by_the_pair_they_belong_to() -> None:
    """Pair 0: 1 + 4 = 5; pair 1 has none; pair 2: 2 + 8 = 10."""
    sums = sum_by_pair(torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([0, 2, 0, 2]), 3)
    assert sums.tolist() == [5.0, 0.0, 10.0]
