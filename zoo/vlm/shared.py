"""Prompts run once, with every response to them on top: hidden states without padding and without waste.

All tokens of a batch lie end to end in one sequence: of each row its prompt, then its responses, each of
which sees the prompt and itself alone and takes its positions from the prompt's end. Linear layers so run
once over exactly the tokens that there are; attention runs row by row. No cache is involved, so gradient
checkpointing works too. Knows nothing of chosen and rejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.last_layer import keeping
from zoo.vlm.layout import KeptLayout, RowLayout
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
    # Not where image features are added to the very last layer's output, at every image token.
    only_kept = len(extra.get("deepstack_visual_embeds") or ()) < len(language.layers)
    language.config._attn_implementation = ATTENTION
    hidden = keeping(language)(
        inputs_embeds=embeds[None],
        position_ids=positions[None] if positions.dim() == 1 else positions[:, None],
        attention_mask=embeds.new_empty(1, 1, 1, 1),  # what is there need not be made; nothing reads it
        use_cache=False,
        layout=layouts,
        kept=kept if only_kept else None,
        **extra,
    ).last_hidden_state[0]
    hidden = hidden if only_kept else hidden[kept]
    return Predicted(hidden[back], torch.tensor(targets, device=vlm.device), lengths)


def _lay_out(
    vlm: VisionLanguageModel, rows: Sequence[SharedRow]
) -> tuple[list[RowLayout], list[int], list[int], list[int], list[int]]:
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
            RowLayout(
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
    layout: Sequence[RowLayout | KeptLayout] | None = None,
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
    if not layout:
        return query.transpose(1, 2), None
    asking, asked = [row.asking for row in layout], [row.asked for row in layout]
    # Split, not cut: the gradient of a split is one tensor, that of each cut is one as large as the whole.
    rows = zip(layout, query.split(asking, 2), key.split(asked, 2), value.split(asked, 2), strict=True)
    parts = [
        scaled_dot_product_attention(
            _cut(asks, of_asking),
            _cut(keys, of_asked),
            _cut(values, of_asked),
            attn_mask=mask,
            is_causal=mask is None,
            dropout_p=dropout,
            scale=scaling,
        )
        for row, asks, keys, values in rows
        for of_asking, of_asked, mask in row.parts(sliding_window, query.device)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2), None


def _cut(tokens: torch.Tensor, part: slice) -> torch.Tensor:
    """Some tokens of `(1, heads, tokens, size)`."""
    return tokens if part == slice(0, tokens.shape[2]) else tokens[:, :, part]


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
