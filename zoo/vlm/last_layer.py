"""The last layer, made to give only the tokens that predict something.

Of the others it needs no more than keys and values: their queries, sums and all that follows serve nothing.
Works on any decoder layer of transformers that has `input_layernorm` and `self_attn` and takes its keys and
values from a cache.
"""

from collections.abc import Sequence
from typing import Any

import torch

from zoo.vlm.layout import kept_layouts


def keeping(language: Any) -> Any:
    """The language model, its last layer taught once and for all to give the tokens `kept` alone.

    Its forward then takes `kept`, places in order, beside `layout`; without them it is as it was.
    """
    layer = language.layers[-1]
    if _keep not in layer._forward_pre_hooks.values():
        layer.register_forward_pre_hook(_keep, with_kwargs=True)
        layer._can_checkpoint_with_cache = True  # a second run of the layer reads the same and writes nothing
    return language


def _keep(
    layer: Any, words: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Before the last layer: of tokens that predict nothing it needs no more than keys and values.

    Every word is the layer's own, so that gradient checkpointing, which runs the layer again, does the same.
    """
    kept, rows = named.get("kept"), named.get("layout")
    if kept is None or rows is None:
        return words, named
    hidden, rotary = words[0], named["position_embeddings"]
    seen = torch.cat([torch.arange(row.start, row.start + row.prompt, device=kept.device) for row in rows])
    prompts = _KeysAndValues()
    layer.self_attn(
        hidden_states=layer.input_layernorm(hidden.index_select(1, seen)),
        position_embeddings=_at(rotary, seen),
        attention_mask=None,
        past_key_values=prompts,
        layout=(),
    )
    source = torch.empty(rows[-1].end, dtype=torch.long, device=kept.device)
    source[kept] = len(seen) + torch.arange(len(kept), device=kept.device)
    source[seen] = torch.arange(len(seen), device=kept.device)
    changed = {
        "position_embeddings": _at(rotary, kept),
        "position_ids": None,
        "past_key_values": _KeysAndValues(before=prompts, order=source),
        "layout": kept_layouts(rows, kept.tolist()),
    }
    return (hidden.index_select(1, kept), *words[1:]), named | changed


class _KeysAndValues:
    """Stands where a layer looks for its cache: takes the keys and values that it made, and gives them back
    in order, together with those that were made before."""

    def __init__(self, *, before: "_KeysAndValues | None" = None, order: torch.Tensor | None = None) -> None:
        self._before, self._order = before, order
        self._made: list[torch.Tensor] = []

    def update(
        self, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values `(1, heads, tokens, size)` as attention is to have them."""
        self._made = [key, value]
        if self._before is None or self._order is None:
            return key, value
        both = zip(self._before._made, self._made, strict=True)
        key, value = (torch.cat(pair, dim=2).index_select(2, self._order) for pair in both)
        return key, value


def _at(rotary: Sequence[torch.Tensor], places: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Cosines and sines `(..., tokens, size)` of some tokens."""
    return tuple(part.index_select(-2, places) for part in rotary)
