"""One more token of every row as a compiled graph, for a base that is loaded to be compiled.

Rows and columns are padded to powers of two, each pair of which is compiled once, at its first use. What
else changes from step to step and from batch to batch (which rows, how long, which adapters) are numbers in
tensors, so nothing compiles again. The same log-probs as without, but for their last digits. Prompts run as
they are.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch.nn.functional import pad

from zoo.vlm.keys import ATTENTION, KeyValues, Seen, run_newest

_LEAST_COLUMNS = 128
_MOST_SIZES = 64


class StaticKeyValues(KeyValues):
    """Keys and values of which every step reads all rows and columns, behind a mask."""

    empty = staticmethod(torch.Tensor.new_zeros)  # what is masked must be a number all the same

    def __init__(self, lengths: Sequence[int], *, layers: int, room: int) -> None:
        width, gap = max(lengths), _power(len(lengths)) - len(lengths)
        columns = max(_LEAST_COLUMNS, _power(width + room))
        super().__init__([*lengths, *[width] * gap], layers=layers, room=columns - width)
        self._numbers: torch.Tensor | None = None

    def run(self, language: Any, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        rows, gap = len(ids), self.rows - len(ids)
        language.config._attn_implementation = ATTENTION
        if self._numbers is None:
            self._numbers = torch.tensor([*self._gaps, 0], device=ids.device)
        self._numbers[-1] = self._end
        hidden = _graph()(
            language,
            pad(ids, (0, gap)),
            pad(positions, (0, gap)),
            self._kept,
            self._numbers[:-1],
            self._numbers[-1],
        )
        self._end += 1
        return hidden[:rows]

    def pays(self, rows: int) -> bool:
        return False  # fewer rows are another size, and may have to be compiled


class _Columns:
    """The cache of one step, within the graph."""

    def __init__(
        self, kept: Sequence[Sequence[torch.Tensor]], gaps: torch.Tensor, column: torch.Tensor
    ) -> None:
        self._kept, self._gaps, self._column = kept, gaps, column

    def update(self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any) -> Sequence[torch.Tensor]:
        for kept, part in zip(self._kept[layer], (key, value), strict=True):
            kept.index_copy_(2, self._column[None], part)
        return self._kept[layer]

    def over(self, key: torch.Tensor, value: torch.Tensor, window: int | None) -> Seen:
        columns = torch.arange(key.shape[2], device=key.device)
        seen = (columns >= self._gaps[:, None]) & (columns <= self._column)
        if window is not None:
            seen = seen & (columns > self._column - window)
        return key, value, seen[:, None, None]


def _newest(
    language: Any,
    ids: torch.Tensor,
    positions: torch.Tensor,
    kept: list[list[torch.Tensor]],
    gaps: torch.Tensor,
    column: torch.Tensor,
) -> torch.Tensor:
    return run_newest(language, ids, positions, _Columns(kept, gaps, column))


@cache
def _graph() -> Callable[..., torch.Tensor]:
    """Compiled at its first call with each size; made late, since the compiler takes its time to load."""
    graph: Callable[..., torch.Tensor] = torch.compile(  # type: ignore[call-overload]
        _newest, fullgraph=True, dynamic=False, recompile_limit=_MOST_SIZES
    )
    return graph


def _power(count: int) -> int:
    """The power of two that is no smaller."""
    return 1 << (count - 1).bit_length()
