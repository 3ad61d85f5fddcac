"""The maths of preference optimisation on log-probs, one value a pair. Knows nothing of models or pairs.

Notation: s(y|m) is the sum of the response's token log-probs, the end of turn included; a log ratio
r = s_policy - s_reference, shape (pairs,), no beta in it. S is the logistic function.
"""

import torch
from torch.nn.functional import logsigmoid


def preference_loss(
    preferred_log_ratio: torch.Tensor, other_log_ratio: torch.Tensor, *, beta: float
) -> torch.Tensor:
    """-log S(beta [r_preferred - r_other]), shape (pairs,).

    DPO (Rafailov et al. 2023, eq. 7) when the two differ in the response; CoPO (Wang et al. 2024,
    mDPO, eq. 4) when they differ in the image.
    """
    return -logsigmoid(beta * (preferred_log_ratio - other_log_ratio))


def anchor_loss(log_ratio: torch.Tensor, *, beta: float, delta: float) -> torch.Tensor:
    """-log S(beta r - delta), shape (pairs,): AncPO (Wang et al. 2024, mDPO, eq. 5)."""
    return -logsigmoid(beta * log_ratio - delta)


def nll_loss(logps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """-(1/|y|) s(y|m), shape (pairs,), from token log-probs and their mask, both (pairs, tokens)."""
    return -(logps * mask).sum(dim=1) / mask.sum(dim=1)
