"""The maths of preference optimisation on log-probs, one value a pair. Knows nothing of models or pairs.

Notation: s(y|m) is the sum of the response's token log-probs, the end of turn included; a log ratio
r = s_policy - s_reference, shape (pairs,), no beta in it. S is the logistic function. Where only parts of
a response count, the sums run over their tokens alone.
"""

import torch
from torch.nn.functional import logsigmoid


def preference_loss(
    preferred_log_ratio: torch.Tensor, other_log_ratio: torch.Tensor, *, beta: float
) -> torch.Tensor:
    """-log S(beta [r_preferred - r_other]), shape (pairs,).

    DPO (Rafailov et al. 2023, eq. 7) when the two differ in the response; CoPO (Wang et al. 2024,
    mDPO, eq. 4) when they differ in the image; RRPO's and FiRe-MPO's rank terms when the ratios are sums
    over spans (Sarkar et al. 2025, arXiv 2504.12083; FiRe-MPO, arXiv 2606.12590).
    """
    return -logsigmoid(beta * (preferred_log_ratio - other_log_ratio))


def anchor_loss(log_ratio: torch.Tensor, *, beta: float, delta: float) -> torch.Tensor:
    """-log S(beta r - delta), shape (pairs,): AncPO (Wang et al. 2024, mDPO, eq. 5)."""
    return -logsigmoid(beta * log_ratio - delta)


def nll_loss(logps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """-(1/|y|) s(y|m), shape (pairs,), from token log-probs and their mask, both (pairs, tokens)."""
    return -(logps * mask).sum(dim=1) / mask.sum(dim=1)


def forward_kl(policy: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """KL(reference || policy) of log-probs over the vocabulary, (tokens, vocabulary) -> (tokens,)."""
    return (reference.exp() * (reference - policy)).sum(dim=-1)


def reverse_kl(policy: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """KL(policy || reference) of log-probs over the vocabulary, (tokens, vocabulary) -> (tokens,)."""
    return (policy.exp() * (policy - reference)).sum(dim=-1)


def policy_gradient_loss(logps: torch.Tensor, rewards: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """-(1/|y|) SUM_t c_t log pi(y_t), shape (pairs,), all of (pairs, tokens): REINFORCE (Williams 1992)
    with a reward c_t a token."""
    return -(rewards * logps * mask).sum(dim=1) / mask.sum(dim=1)


def sum_by_pair(values: torch.Tensor, pair: torch.Tensor, pairs: int) -> torch.Tensor:
    """Sums of `values` (tokens,) by the pair number of each, (tokens,) -> (pairs,)."""
    return torch.zeros(pairs, dtype=values.dtype, device=values.device).index_add(0, pair, values)
