"""A picture seen at three scales (S2), computed plainly: pixel by pixel, tile by tile, token by token."""

from typing import Any

import numpy as np
import torch
from torch.nn.functional import gelu, linear

SCALES = 3


def scaled(square: torch.Tensor, side: int) -> list[torch.Tensor]:
    """A square (1, 3, 3 * side, 3 * side) with sides of `side`, twice and three times that.

    Bicubic without smoothing, pixels taken for squares: at a third of the size the middle of a new pixel is
    that of each third old one, at two thirds it lies 1/4 or 3/4 of the way between two.
    """
    assert square.shape[2:] == (3 * side, 3 * side)
    rows = _cubic(2 * side, 3 * side)
    two = torch.from_numpy(rows @ square.double().numpy() @ rows.T)
    return [square[:, :, 1::3, 1::3], two.to(square.dtype), square]


def _cubic(new: int, old: int) -> np.ndarray:
    """Weights (new, old) of cubic convolution with a = -3/4; beyond the edge is the last pixel."""
    weights = np.zeros((new, old))
    for place in range(new):
        middle = (place + 0.5) * old / new - 0.5
        first = int(np.floor(middle))
        for one in range(first - 1, first + 3):
            far, a = abs(middle - one), -0.75
            weight = (
                (a + 2) * far**3 - (a + 3) * far**2 + 1
                if far <= 1
                else a * (far**3 - 5 * far**2 + 8 * far - 4)
            )
            weights[place, min(max(one, 0), old - 1)] += weight
    return weights


@torch.no_grad()
def seen(tower: Any, square: torch.Tensor, side: int) -> torch.Tensor:
    """What goes into the projector, (tokens, 3 * width): the last layer but one, means over what lies in the
    place of a token at each scale."""
    found = []
    for scale, picture in enumerate(scaled(square, side), 1):
        lines = []
        for top in range(0, scale * side, side):
            line = []
            for left in range(0, scale * side, side):
                tile = picture[:, :, top : top + side, left : left + side]
                states = tower(tile, output_hidden_states=True).hidden_states[-2][0, 1:]
                edge = round(len(states) ** 0.5)
                line.append(states.reshape(edge, edge, -1))
            lines.append(torch.cat(line, dim=1))
        whole = torch.cat(lines, dim=0)
        found.append(
            torch.stack(
                [
                    whole[scale * row : scale * (row + 1), scale * column : scale * (column + 1)].mean((0, 1))
                    for row in range(edge)
                    for column in range(edge)
                ]
            )
        )
    return torch.cat(found, dim=1)


def projected(projector: Any, features: torch.Tensor) -> torch.Tensor:
    """Two linear layers with an exact GELU between."""
    hidden = gelu(linear(features, projector.linear_1.weight, projector.linear_1.bias))
    return linear(hidden, projector.linear_2.weight, projector.linear_2.bias)
