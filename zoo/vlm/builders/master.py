"""Training a model that computes in bfloat16: steps are taken on a copy of its weights in float32.

It knows no model and no loss.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


class Master:
    """Weights in float32 behind a model in bfloat16, and their optimiser."""

    def __init__(self, groups: Iterable[tuple[Iterable[nn.Parameter], float]]) -> None:
        """Groups of parameters, each with its learning rate at its peak."""
        self._model: list[nn.Parameter] = []
        masters = []
        for parameters, rate in groups:
            chosen = list(parameters)
            mine = [nn.Parameter(p.detach().float().clone()) for p in chosen]
            self._model += chosen
            masters.append({"params": mine, "lr": rate, "peak": rate})
        self.optimizer = torch.optim.AdamW(masters, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
        self._masters = [p for group in self.optimizer.param_groups for p in group["params"]]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One step at `factor` of the peak learning rates, with the gradients that the model holds."""
        for mine, theirs in zip(self._masters, self._model, strict=True):
            mine.grad = theirs.grad.float() if theirs.grad is not None else None
            theirs.grad = None
        nn.utils.clip_grad_norm_(self._masters, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._give()

    def _give(self) -> None:
        for mine, theirs in zip(self._masters, self._model, strict=True):
            theirs.copy_(mine)

    def state(self) -> dict[str, Any]:
        """All of it, to be kept."""
        return {"masters": self._masters, "optimizer": self.optimizer.state_dict()}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Put back what `state` gave, into the model too."""
        for mine, kept in zip(self._masters, state["masters"], strict=True):
            mine.copy_(kept)
        self.optimizer.load_state_dict(state["optimizer"])
        self._give()
