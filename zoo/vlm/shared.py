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
    layout, ids, wanted, targets, lengths = _lay_out(vlm, rows)
    tokens = torch.tensor(ids, device=vlm.device)
    embeds, extra = vlm.family.embed(vlm.model, tokens, [i for row in rows for i in row.features.images])
    positions = torch.cat([_positions(vlm, row) for row in rows], dim=-1).to(vlm.device)
    language = vlm.model.model.language_model
    language.config._attn_implementation = ATTENTION
    hidden = language(
        inputs_embeds=embeds[None],
        position_ids=positions[None] if positions.dim() == 1 else positions[:, None],
        attention_mask=embeds.new_empty(1, 1, 1, 1),  # what is there need not be made; nothing reads it
        use_cache=False,
        layout=layout,
        **extra,
    ).last_hidden_state[0]
    return Predicted(
        hidden[torch.tensor(wanted, device=vlm.device)],
        torch.tensor(targets, device=vlm.device),
        lengths,
    )


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
    masks: dict[int | None, tuple[torch.Tensor | None, torch.Tensor]] = field(default_factory=dict)
    """By sliding window: what the prompt sees (None: causal), and what the responses see."""

    @property
    def end(self) -> int:
        return self.start + self.prompt + sum(self.responses)

    def sees(self, window: int | None, device: torch.device) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Masks, True where a query (row) sees a key (column): of the prompt's tokens among themselves, and
        of the responses' tokens over the whole row."""
        if window not in self.masks:
            self.masks[window] = self._make(window, device)
        return self.masks[window]

    def _make(self, window: int | None, device: torch.device) -> tuple[torch.Tensor | None, torch.Tensor]:
        parts = [torch.zeros(self.prompt, dtype=torch.long)]
        places = [torch.arange(self.prompt)]
        for number, count in enumerate(self.responses, start=1):
            parts.append(torch.full((count,), number))
            places.append(torch.arange(self.prompt, self.prompt + count))
        part, place = torch.cat(parts).to(device), torch.cat(places).to(device)
        sees = (part[None] == 0) | (part[:, None] == part[None])
        sees &= place[:, None] >= place[None]
        for start, end in self.two_way:
            sees[start:end, start:end] = True
        if window is not None:  # it ends the past of an image's own tokens too
            sees &= place[:, None] - place[None] < window
        causal = not self.two_way and (window is None or self.prompt <= window)
        return None if causal else sees[: self.prompt, : self.prompt], sees[self.prompt :]


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
    layout: Sequence[_RowLayout] | None = None,
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
    parts = []
    for row in layout:
        before, after = slice(row.start, row.start + row.prompt), slice(row.start + row.prompt, row.end)
        among_prompt, of_responses = row.sees(sliding_window, query.device)
        parts.append(
            scaled_dot_product_attention(
                query[:, :, before],
                key[:, :, before],
                value[:, :, before],
                attn_mask=among_prompt,
                is_causal=among_prompt is None,
                dropout_p=dropout,
                scale=scaling,
            )
        )
        if after.stop > after.start:
            whole = slice(row.start, row.end)
            parts.append(
                scaled_dot_product_attention(
                    query[:, :, after],
                    key[:, :, whole],
                    value[:, :, whole],
                    attn_mask=of_responses,
                    dropout_p=dropout,
                    scale=scaling,
                )
            )
    return torch.cat(parts, dim=2).transpose(1, 2), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
