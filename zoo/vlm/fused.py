"""A LoRA on a linear layer in as few passes over memory as it takes, forward and backward.

PEFT's own layer makes the LoRA's output, its scaled copy and the sum as tensors of their own, each as large
as the layer's output, and does the same again on the way back. Here the LoRA is added into the layer's
output where it lies. It is PEFT's layer in all else, so its names, files and switches stay.
"""

from typing import Any

import torch
from peft.tuners import lora
from torch import nn


class FusedLoraLinear(lora.Linear):
    """PEFT's LoRA on a linear layer, plain or quantised, with one adapter; dropout takes PEFT's forward."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if self.disable_adapters:
            out: torch.Tensor = self.base_layer(x)
            return out
        (name,) = self.active_adapters
        if self.merged or (self.training and not isinstance(self.lora_dropout[name], nn.Identity)):
            slow: torch.Tensor = super().forward(x, *args, **kwargs)
            return slow
        base: Any = self.base_layer
        weights: Any = self.lora_A[name].weight, self.lora_B[name].weight
        a, b = (weight.to(x.dtype) for weight in weights)
        if type(base) is nn.Linear:
            return _linear(x, base.weight, base.bias, a, b, self.scaling[name])
        return _added(base(x), x, a, b, self.scaling[name])


def _linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    a: torch.Tensor,
    b: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """x W^T + bias + scale (x A^T) B^T; gradients for x, A and B alone."""
    return _Linear.apply(x, weight, bias, a, b, scale)  # type: ignore[no-any-return, no-untyped-call]


def _added(
    out: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
) -> torch.Tensor:
    """out + scale (x A^T) B^T, where `out` is what a quantised layer made of x."""
    shape = out.shape
    low = x.flatten(0, -2) @ a.T
    return torch.addmm(out.flatten(0, -2), low, b.T, alpha=scale).view(shape)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        low = rows @ a.T
        out = rows @ weight.T if bias is None else torch.addmm(bias, rows, weight.T)
        out.addmm_(low, b.T, alpha=scale)
        ctx.save_for_backward(rows, low, weight, a, b)
        ctx.scale = scale
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, low, weight, a, b = ctx.saved_tensors
        above = gradient.reshape(-1, gradient.shape[-1])
        through = (above @ b).mul_(ctx.scale)
        below = None
        if ctx.needs_input_grad[0]:
            below = (above @ weight).addmm_(through, a).view(*gradient.shape[:-1], -1)
        for_a = through.T @ rows
        for_b = (above.T @ low).mul_(ctx.scale)
        return below, None, None, for_a, for_b, None
