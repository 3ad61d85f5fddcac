"""Prompts run once, with every response to them on top: hidden states without padding and without waste.

All tokens of a batch lie end to end in one sequence: of each row its prompt, then its responses, each of
which sees the prompt and itself alone and takes its positions from the prompt's end. Linear layers so run
once over exactly the tokens that there are; attention runs row by row. No cache is involved, so gradient
checkpointing works too. Knows nothing of chosen and rejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel

ATTENTION = "medzoo_shared_prompt"


@dataclass(frozen=True)
class SharedRow:
    """An image and a prompt, and the responses that are scored on top of them, as token ids."""

    features: ImageFeatures
    prompt_ids: Sequence[int]
    responses: Sequence[Sequence[int]] = ()
    read_prompt: tuple[int, int] | None = None
    """Tokens `start` to `end` (not included) of the prompt that are to be scored as well."""

    @property
    def length(self) -> int:
        """Tokens that the model runs over; the last of each response is predicted and never run."""
        return len(self.prompt_ids) + sum(len(ids) - 1 for ids in self.responses)


@dataclass(frozen=True)
class Predicted:
    """Final hidden states where tokens are predicted, and these tokens; of one row after another: its
    responses in order, then what is read of its prompt."""

    hidden: torch.Tensor
    """(tokens, hidden)"""
    targets: torch.Tensor
    """(tokens,)"""
    lengths: list[int]
    """Tokens of each response or prompt part, in that order."""


def predict(vlm: VisionLanguageModel, rows: Sequence[SharedRow]) -> Predicted:
    """Run the model as it is now over the rows, with gradients where they flow.

    The hidden states are those of separate plain sequences, up to the order of additions in attention.
    """
    layouts, ids, wanted, targets, lengths = _lay_out(vlm, rows)
    tokens = torch.tensor(ids, device=vlm.device)
    embeds, extra = vlm.family.embed(vlm.model, tokens, [i for row in rows for i in row.features.images])
    positions = torch.cat([_positions(vlm, row) for row in rows], dim=-1).to(vlm.device)
    kept, back = torch.tensor(wanted, device=vlm.device).unique(return_inverse=True)
    language = vlm.model.model.language_model
    short = len(extra.get("deepstack_visual_embeds") or ()) < len(language.layers)  # else all are written to
    language.config._attn_implementation = ATTENTION
    hidden = _with_last_layer(language)(
        inputs_embeds=embeds[None],
        position_ids=positions[None] if positions.dim() == 1 else positions[:, None],
        attention_mask=embeds.new_empty(1, 1, 1, 1),  # what is there need not be made; nothing reads it
        use_cache=False,
        layout=layouts,
        kept=kept if short else None,
        **extra,
    ).last_hidden_state[0]
    hidden = hidden if short else hidden[kept]
    return Predicted(hidden[back], torch.tensor(targets, device=vlm.device), lengths)


_Part = tuple[slice, slice, torch.Tensor | None]
"""Which tokens ask, which are asked, and True where one sees the other; None: each sees those before it."""


@dataclass(frozen=True)
class _RowLayout:
    """Where a row's tokens lie, and which of them see which."""

    start: int
    prompt: int
    """Tokens of the prompt."""
    responses: tuple[int, ...]
    """Tokens of each response that are run."""
    two_way: tuple[tuple[int, int], ...]
    """Parts of the prompt whose tokens see each other both ways."""
    masks: dict[int | None, torch.Tensor] = field(default_factory=dict)
    """What sees what, by sliding window."""

    @property
    def end(self) -> int:
        """Where the next row begins."""
        return self.start + self.prompt + sum(self.responses)

    def parts(self, window: int | None, device: torch.device) -> list[_Part]:
        """The prompt's tokens among themselves, and the responses' over the whole row."""
        middle = self.start + self.prompt
        prompt, responses = slice(self.start, middle), slice(middle, self.end)
        causal = not self.two_way and (window is None or self.prompt <= window)
        mask = None if causal else self.sees(window, device)[: self.prompt, : self.prompt]
        found: list[_Part] = [(prompt, prompt, mask)]
        if self.end > middle:
            mask = self.sees(window, device)[self.prompt :]
            found.append((responses, slice(self.start, self.end), mask))
        return found

    def sees(self, window: int | None, device: torch.device) -> torch.Tensor:
        """True where a token of the row (first index) sees another, (tokens, tokens)."""
        if window not in self.masks:
            part, place = [torch.zeros(self.prompt, dtype=torch.long)], [torch.arange(self.prompt)]
            for number, count in enumerate(self.responses, start=1):
                part.append(torch.full((count,), number))
                place.append(self.prompt + torch.arange(count))
            parts, places = torch.cat(part), torch.cat(place)
            sees = (parts[None] == 0) | (parts[:, None] == parts[None])
            sees &= places[:, None] >= places[None]
            for start, end in self.two_way:
                sees[start:end, start:end] = True
            if window is not None:  # it ends the past of an image's own tokens too
                sees &= places[:, None] - places[None] < window
            self.masks[window] = sees.to(device)
        return self.masks[window]


def _lay_out(
    vlm: VisionLanguageModel, rows: Sequence[SharedRow]
) -> tuple[list[_RowLayout], list[int], list[int], list[int], list[int]]:
    """Layouts, all token ids end to end, where something is predicted, what, and how many of each."""
    layouts, ids, wanted, targets, lengths = [], list[int](), list[int](), list[int](), list[int]()
    for row in rows:
        start, last = len(ids), len(ids) + len(row.prompt_ids) - 1
        ids += row.prompt_ids
        for response in row.responses:
            wanted += [last, *range(len(ids), len(ids) + len(response) - 1)]
            ids += response[:-1]
            targets += response
            lengths.append(len(response))
        if row.read_prompt is not None:
            first, end = row.read_prompt
            wanted += range(start + first - 1, start + end - 1)
            targets += row.prompt_ids[first:end]
            lengths.append(end - first)
        layouts.append(
            _RowLayout(
                start=start,
                prompt=len(row.prompt_ids),
                responses=tuple(len(response) - 1 for response in row.responses),
                two_way=vlm.family.two_way(vlm.model, row.prompt_ids, row.features.images),
            )
        )
    return layouts, ids, wanted, targets, lengths


def _positions(vlm: VisionLanguageModel, row: SharedRow) -> torch.Tensor:
    """Positions of a row's tokens, `(tokens,)` or `(3, tokens)`; each response follows the prompt."""
    prompt = vlm.family.positions(vlm.model, row.prompt_ids, row.features.images)
    following = prompt.max() + 1
    after = [following + torch.arange(len(ids) - 1).expand(*prompt.shape[:-1], -1) for ids in row.responses]
    return torch.cat([prompt, *after], dim=-1)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    layout: Sequence["_RowLayout | _KeptLayout"] | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of all rows, from `(1, heads, tokens, size)` to `(1, tokens, heads, size)`.

    Without a layout it is transformers' own, so that a model may keep it: gradient checkpointing runs a
    layer again in the backward pass, when `predict` is long over.
    """
    if layout is None:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return found
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    parts = [
        scaled_dot_product_attention(
            query[:, :, asking],
            key[:, :, asked],
            value[:, :, asked],
            attn_mask=mask,
            is_causal=mask is None,
            dropout_p=dropout,
            scale=scaling,
        )
        for row in layout
        for asking, asked, mask in row.parts(sliding_window, query.device)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2) if parts else query.transpose(1, 2), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def _with_last_layer(language: Any) -> Any:
    """The language model, its last layer taught once and for all to give the tokens `kept` alone."""
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
        "layout": _kept_layouts(rows, kept.tolist()),
    }
    return (hidden.index_select(1, kept), *words[1:]), named | changed


@dataclass(frozen=True)
class _KeptLayout:
    """A row of which only some tokens ask, and all are asked."""

    row: _RowLayout
    kept: Sequence[int]
    """Which of the row's tokens ask."""
    first: int
    """Where they begin among all that ask."""

    def parts(self, window: int | None, device: torch.device) -> list[_Part]:
        """The kept tokens over the whole row."""
        sees = self.row.sees(window, device)[list(self.kept)]
        return [(slice(self.first, self.first + len(self.kept)), slice(self.row.start, self.row.end), sees)]


def _kept_layouts(rows: Sequence[_RowLayout], kept: Sequence[int]) -> list[_KeptLayout]:
    found, first = list[_KeptLayout](), 0
    for row in rows:
        own = [place - row.start for place in kept if row.start <= place < row.end]
        found.append(_KeptLayout(row, own, first))
        first += len(own)
    return found


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
