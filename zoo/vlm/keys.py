"""Keys and values of rows that answer together: one column a token, the last token of every row in the same
column. Written in place, seen as views. Knows no family, no adapter and no text.

Its attention, registered with transformers, is transformers' own over those columns that a row sees.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "medzoo_answering"
Seen = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Keys and values `(rows, heads, tokens, size)`, and True where a query sees a token; None: each sees those
before it."""
Over = Callable[[torch.Tensor, torch.Tensor, int | None], Seen]
"""What is seen of all keys and values, by sliding window."""


class KeyValues:
    """Of every layer and row. It stands where a decoder layer looks for its cache."""

    empty: Callable[..., torch.Tensor] = staticmethod(torch.Tensor.new_empty)
    """Makes the place for keys or values, given some and a shape."""

    def __init__(self, lengths: Sequence[int], *, layers: int, room: int) -> None:
        """For rows whose prompts have these `lengths`, and `room` tokens after them."""
        self._width = self._end = max(lengths)
        self._columns = self._width + room
        self._gaps = [self._width - length for length in lengths]
        """Columns before each row's first token."""
        self._kept: list[list[torch.Tensor]] = [[] for _ in range(layers)]
        self._mask: torch.Tensor | None = None

    def put(self, layer: int, made: Sequence[torch.Tensor], places: Sequence[Sequence[int]]) -> None:
        """Keep the keys and values of whole prompts `(prompts, heads, tokens, size)`; `places` are the rows
        that each prompt is of."""
        if not self._kept[layer]:
            self._kept[layer] = [
                self.empty(part, (self.rows, part.shape[1], self._columns, part.shape[3])) for part in made
            ]
        for kept, part in zip(self._kept[layer], made, strict=True):
            first = self._width - part.shape[2]
            for prompt, rows in zip(part, places, strict=True):
                for row in rows:
                    kept[row, :, :first] = 0  # lest what is there by chance be no number
                    kept[row, :, first : self._width] = prompt

    @property
    def rows(self) -> int:
        """Rows that a step runs."""
        return len(self._gaps)

    def run(self, language: Any, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Final hidden states `(rows, hidden)` of one more token of each row, from `(rows,)` of each."""
        self._end += 1
        language.config._attn_implementation = ATTENTION
        return run_newest(language, ids, positions, self)

    def update(self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any) -> list[torch.Tensor]:
        """Keep the newest token's keys and values `(rows, heads, 1, size)` and give those of all so far."""
        for kept, part in zip(self._kept[layer], (key, value), strict=True):
            kept[: len(self._gaps), :, self._end - 1 : self._end] = part
        return [kept[: len(self._gaps), :, : self._end] for kept in self._kept[layer]]

    def over(self, key: torch.Tensor, value: torch.Tensor, window: int | None) -> Seen:
        """What the newest token of each row sees."""
        seen = self._end - min(self._gaps)
        first = self._end - (seen if window is None else min(seen, window))
        if max(self._gaps) <= first:
            mask = None
        else:
            if self._mask is None:
                gaps = torch.tensor(self._gaps, device=key.device)
                self._mask = (torch.arange(self._columns, device=key.device) >= gaps[:, None])[:, None, None]
            mask = self._mask[..., first : self._end]
        return key[:, :, first:], value[:, :, first:], mask

    def pays(self, rows: int) -> bool:
        """Whether it pays to run so many rows in place of those that there are, for it takes a copy."""
        return (self.rows - rows) * 4 >= self.rows

    def keep(self, rows: Sequence[int]) -> None:
        """Only these rows, in this order; each at its place or a later one before."""
        for place, row in enumerate(rows):
            if place != row:
                for kept in (kept for of_layer in self._kept for kept in of_layer):
                    kept[place, :, : self._end] = kept[row, :, : self._end]
        self._gaps = [self._gaps[row] for row in rows]
        self._mask = None


def keys_only(key: torch.Tensor, value: torch.Tensor, window: int | None) -> Seen:
    """For a pass that is run for its keys and values alone: nothing is attended to."""
    raise NotImplementedError


def run_newest(language: Any, ids: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
    """Final hidden states `(rows, hidden)` of each row's newest token; `cache` has `update` and `over`."""
    hidden: torch.Tensor = language(
        input_ids=ids[:, None],
        position_ids=positions[:, None],
        attention_mask=ids.new_empty(1, 1, 1, 1),  # what is there need not be made; nothing reads it
        past_key_values=cache,
        use_cache=True,
        over=cache.over,
    ).last_hidden_state
    return hidden[:, -1]


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    over: Over | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention from `(rows, heads, tokens, size)` to `(rows, tokens, heads, size)`; without `over` it is
    transformers' own, so that a model may keep it."""
    if over is keys_only:
        return query.transpose(1, 2), None
    if over is not None:
        key, value, attention_mask = over(key, value, sliding_window)
    found: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, **others
    )
    return found


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
