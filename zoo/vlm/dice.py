"""How the next token of each row is chosen: the likeliest, or drawn by the row's own dice.

A sampled row draws from a generator of its own, so the rows beside it do not move its dice.
"""

from collections.abc import Sequence

import torch

from zoo.asking import Sampling

_COLDEST = 1e-30
"""Temperatures below are no numbers to divide by in float32; far above it the likeliest is always drawn."""


class Dice:
    """Temperature, top-p and generators of rows that are known by number."""

    def __init__(self, samplings: Sequence[Sampling]) -> None:
        self._samplings = tuple(samplings)
        self._generators = {
            row: torch.Generator().manual_seed(sampling.seed)
            for row, sampling in enumerate(samplings)
            if sampling.temperature > 0
        }

    def choose(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """A token for each of `rows`, (rows,), from their logits (rows, vocabulary) in float32.

        The argmax of log-probs plus Gumbel noise is a sample of the probabilities (Gumbel 1954).
        """
        sampled = [place for place, row in enumerate(rows) if row in self._generators]
        if not sampled:
            return logits.argmax(dim=-1)
        settings = [self._samplings[rows[place]] for place in sampled]
        places = torch.tensor(sampled, device=logits.device)
        column = logits.new_tensor([[s.temperature, s.top_p] for s in settings])
        likeliest = logits[places].amax(dim=-1, keepdim=True)  # so that nothing overflows but to -inf
        heat = column[:, :1].clamp_min(_COLDEST)
        logps = torch.log_softmax((logits[places] - likeliest) / heat, dim=-1)
        if any(s.top_p < 1 for s in settings):
            logps = _likeliest(logps, column[:, 1:])
        waits = torch.stack(
            [
                torch.empty(logits.shape[-1]).exponential_(generator=self._generators[rows[place]])
                for place in sampled
            ]
        )
        drawn = (logps - waits.clamp_min(1e-30).log().to(logps.device)).argmax(dim=-1)
        return logits.argmax(dim=-1).index_copy(0, places, drawn)


def _likeliest(logps: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Log-probs (rows, vocabulary) of the fewest tokens that together hold the share `top_p` (rows, 1)."""
    ordered, order = logps.sort(dim=-1, descending=True)
    before = ordered.exp().cumsum(dim=-1) - ordered.exp()
    beyond = (before >= top_p) & (top_p < 1)  # at 1 nothing is left out, whatever a sum's last digits
    return logps.masked_fill(beyond.scatter(-1, order, beyond), -torch.inf)
