"""What is read off final hidden states: log-probs, and anything else a token's distribution decides.

The vocabulary's logits are made for a few tokens at a time and never kept: what a token's value is worth to
its hidden state is worked out at once, so the backward pass needs no logits either.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from zoo.vlm.model import VisionLanguageModel

CHUNK_BYTES = 64 << 20
"""Logits made at once take at most this much, in float32."""

Fold = Callable[..., torch.Tensor]
"""From log-probs over the vocabulary (tokens, vocabulary), one tensor for each set of hidden states, and from
rows (tokens, ...) of anything else, to a value a token, (tokens,)."""


def target_logps(vlm: VisionLanguageModel, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-prob of each target, (tokens,) in float32, from hidden states (tokens, hidden)."""
    return fold(vlm, hidden, (), _gather, targets)


def fold(
    vlm: VisionLanguageModel,
    hidden: torch.Tensor,
    others: Sequence[torch.Tensor],
    function: Fold,
    *rows: torch.Tensor,
) -> torch.Tensor:
    """`function` of the log-probs of `hidden` and of `others`, whose gradient is not asked for; (tokens,)."""
    return _Folded.apply(hidden, vlm, others, function, rows)  # type: ignore[no-any-return, no-untyped-call]


def argmax(vlm: VisionLanguageModel, hidden: torch.Tensor) -> torch.Tensor:
    """The likeliest token at each hidden state, (tokens,)."""
    with torch.no_grad():
        parts = [vlm.logits(hidden[part]).argmax(dim=-1) for part in _chunks(vlm, len(hidden))]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long, device=hidden.device)


def _gather(logps: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return logps.gather(-1, targets[:, None])[:, 0]


class _Folded(torch.autograd.Function):
    """Values of tokens; each depends on its own hidden state alone, so one vector a token is its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        vlm: VisionLanguageModel,
        others: Sequence[torch.Tensor],
        function: Fold,
        rows: Sequence[torch.Tensor],
    ) -> torch.Tensor:
        wanted = ctx.needs_input_grad[0]
        values = hidden.new_empty(len(hidden), dtype=torch.float32)
        slopes = torch.empty_like(hidden) if wanted else None
        for part in _chunks(vlm, len(hidden)):
            own = hidden[part].detach().requires_grad_(wanted)
            known = [vlm.logits(other[part]).log_softmax(dim=-1) for other in others]
            with torch.set_grad_enabled(wanted):
                value = function(vlm.logits(own).log_softmax(dim=-1), *known, *(row[part] for row in rows))
                if slopes is not None:
                    (slopes[part],) = torch.autograd.grad(value.sum(), own)
            values[part] = value.detach()
        ctx.save_for_backward(slopes)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return (gradient[:, None] * slopes).to(slopes.dtype), None, None, None, None


def _chunks(vlm: VisionLanguageModel, tokens: int) -> list[slice]:
    size = max(1, CHUNK_BYTES // (4 * vlm.vocabulary))
    return [slice(start, min(start + size, tokens)) for start in range(0, tokens, size)]
