"""Prompts of one length run together, without padding: their keys and values, and what predicts the first
token of each answer.

The last layer's attention runs over all tokens for their keys and values; then it runs, with all that
follows, for each prompt's last token alone, since nobody reads what the others predict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from zoo.vlm.encoded import EncodedImage
from zoo.vlm.keys import ATTENTION, Seen, keys_only
from zoo.vlm.layout import RowLayout
from zoo.vlm.model import VisionLanguageModel

Keep = Callable[[int, Sequence[torch.Tensor]], None]
"""Takes a layer's number, and its keys and values `(prompts, heads, tokens, size)`."""


@dataclass(frozen=True)
class Prompt:
    """Token ids, and the images that stand in them."""

    ids: Sequence[int]
    images: Sequence[EncodedImage]


def run_prompts(
    vlm: VisionLanguageModel, prompts: Sequence[Prompt], keep: Keep
) -> tuple[torch.Tensor, torch.Tensor]:
    """Final hidden states of the prompts' last tokens `(prompts, hidden)`, and the positions that follow them
    `(prompts,)`."""
    family, model, language = vlm.family, vlm.model, vlm.model.model.language_model
    ids = torch.tensor([list(prompt.ids) for prompt in prompts], device=vlm.device)
    images = [image for prompt in prompts for image in prompt.images]
    embeds, extra = family.embed(model, ids.flatten(), images)
    if extra:
        extra["visual_pos_masks"] = extra["visual_pos_masks"].view_as(ids)
    places = torch.stack([family.positions(model, p.ids, p.images) for p in prompts], dim=-2)
    two_way = [family.two_way(model, prompt.ids, prompt.images) for prompt in prompts]
    # Not where image features are added to the very last layer's output, at every image token.
    last_alone = len(extra.get("deepstack_visual_embeds") or ()) < len(language.layers)
    run = _Run(ids.shape[1], two_way, keep, last_alone=last_alone)
    if _only_last not in language.layers[-1]._forward_pre_hooks.values():
        language.layers[-1].register_forward_pre_hook(_only_last, with_kwargs=True)
    language.config._attn_implementation = ATTENTION
    hidden: torch.Tensor = language(
        inputs_embeds=embeds.view(*ids.shape, -1),
        position_ids=places.to(vlm.device),
        attention_mask=embeds.new_empty(1, 1, 1, 1),  # what is there need not be made; nothing reads it
        past_key_values=run,
        use_cache=True,
        over=run.over,
        **extra,
    ).last_hidden_state
    following = places.amax(dim=-1) + 1
    return hidden[:, -1], following if following.dim() == 1 else following.amax(dim=0)


class _Run:
    """Stands where a layer looks for its cache, and says what a prompt's tokens see of each other."""

    def __init__(
        self, length: int, two_way: Sequence[tuple[tuple[int, int], ...]], keep: Keep, *, last_alone: bool
    ) -> None:
        parts = two_way[:1] if len(set(two_way)) == 1 else two_way
        self._layouts = [RowLayout(start=0, prompt=length, responses=(), two_way=each) for each in parts]
        self._length, self._keep = length, keep
        self.last_alone = last_alone

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self._keep(layer, (key, value))
        self.made = key, value
        return self.made

    def over(self, key: torch.Tensor, value: torch.Tensor, window: int | None) -> Seen:
        if (window is None or self._length <= window) and not any(row.two_way for row in self._layouts):
            return key, value, None
        return key, value, torch.stack([row.sees(window, key.device) for row in self._layouts])[:, None]


class _LastTokens:
    """The same for the last tokens alone, which see the keys and values that all tokens made before."""

    def __init__(self, made: tuple[torch.Tensor, torch.Tensor]) -> None:
        self._made = made

    def update(self, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return self._made

    def over(self, key: torch.Tensor, value: torch.Tensor, window: int | None) -> Seen:
        first = 0 if window is None else max(0, key.shape[2] - window)
        return key[:, :, first:], value[:, :, first:], None


def _only_last(
    layer: Any, words: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Before the last layer, which is then given the last tokens alone."""
    run = named.get("past_key_values")
    if not isinstance(run, _Run) or not run.last_alone:
        return words, named
    hidden, rotary = words[0], named["position_embeddings"]
    layer.self_attn(
        hidden_states=layer.input_layernorm(hidden),
        position_embeddings=rotary,
        attention_mask=None,
        past_key_values=run,
        over=keys_only,
    )
    last = _LastTokens(run.made)
    changed = {
        "position_embeddings": tuple(part[..., -1:, :] for part in rotary),
        "position_ids": None,
        "past_key_values": last,
        "over": last.over,
    }
    return (hidden[:, -1:], *words[1:]), named | changed
