"""A linear layer of a model with an adapter bank. Which rows run, it is told by the bank."""

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from zoo.vlm.bank import AdapterBank

Pair = tuple[torch.Tensor, torch.Tensor]
"""A and B of a layer."""


class BankedLinear(nn.Module):
    """A frozen linear layer plus, for each row of the batch, the LoRA of that row's slot."""

    def __init__(
        self, inner: nn.Linear, bank: "AdapterBank", number: int, row_slots: torch.Tensor | None
    ) -> None:
        super().__init__()
        self.inner = inner
        self._bank = (bank,)  # in a tuple, so that torch does not take it for a part
        self._number = number
        device, dtype = inner.weight.device, bank.vlm.dtype  # the weights themselves may be of 4 bits
        a = torch.zeros(bank.slots, bank.max_rank, inner.in_features, device=device, dtype=dtype)
        b = torch.zeros(bank.slots, inner.out_features, bank.max_rank, device=device, dtype=dtype)
        self.a, self.b = nn.Buffer(a, persistent=False), nn.Buffer(b, persistent=False)
        self.row_slots = None if row_slots is None else nn.Buffer(row_slots, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` (rows, tokens, in) to (rows, tokens, out)."""
        out: torch.Tensor = self.inner(x)
        bank = self._bank[0]
        bank.check_rows(x.shape[0])
        if self.row_slots is not None:
            slots = self.row_slots[: x.shape[0]]
            a, b = self.a.index_select(0, slots).mT, self.b.index_select(0, slots).mT
        elif bank.weights is not None:
            a, b = bank.weights[self._number]
        else:
            return out
        return out.baddbmm_(torch.bmm(x, a), b)
