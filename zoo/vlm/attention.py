"""Where a prompt looks in its images: the model's own attention by layer, and as a heat map.

Knows nothing of regions or of what the map is for. The map covers what the vision tower sees: a picture
that the processor crops or pads is covered as cropped or padded (`zoo.vlm.patches.token_box`).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from zoo.asking import Turn
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.batch import pad_batch
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.model import VisionLanguageModel


def layer_attention(
    vlm: VisionLanguageModel,
    features: ImageFeatures,
    prompt: str | Sequence[Turn],
    *,
    layers: Sequence[int] | None = None,
    slots: Sequence[int] = (0,),
) -> npt.NDArray[np.float32]:
    """`image_attention` of the first image alone: (slots, layers, rows, columns)."""
    return image_attention(vlm, features, prompt, layers=layers, slots=slots)[0]


@torch.no_grad()
def image_attention(
    vlm: VisionLanguageModel,
    features: ImageFeatures,
    prompt: str | Sequence[Turn],
    *,
    layers: Sequence[int] | None = None,
    slots: Sequence[int] = (0,),
) -> tuple[npt.NDArray[np.float32], ...]:
    """The last prompt token's attention over the tokens of each image by layer, a mean over heads, for the
    adapter in each of some slots of the bank at once; slot 0 is the base.

    `layers` counts from 0; the default is all. The tokens before the last are read as the model is; only the
    last one needs eager attention, whose weights are one row a head.

    Returns:
        For each image (slots, layers, rows, columns), shares of the token's whole attention; rows from the
        top.

    Raises:
        BadInput: the model has no such layer, or no adapter bank to hold these slots.
        BadDeclaration: an image's tokens are no grid that is known, or a layer does not see that far back.
    """
    if vlm.bank is None and any(slots):
        raise BadInput(f"slot {max(slots)} is asked for and no adapter bank is attached")
    shapes = [token_grid(vlm, image) for image in features.images]
    ids = vlm.prompt_ids(prompt, features)
    before = pad_batch(vlm, [ids[:-1]] * len(slots), [features] * len(slots), side="left")
    language: Any = vlm.model.model.language_model
    with vlm.bank.rows(slots) if vlm.bank is not None else nullcontext():
        past = vlm.model.model(**before.model_inputs(), use_cache=True).past_key_values
        with _eager(language):
            last = torch.tensor([ids[-1:]] * len(slots), device=vlm.device)
            place = vlm.family.positions(vlm.model, ids, features.images)[..., -1:].to(vlm.device)
            weights = language(
                input_ids=last,
                position_ids=place[None] if place.dim() == 1 else place[:, None],
                past_key_values=past,
                output_attentions=True,
            ).attentions
    chosen = range(len(weights)) if layers is None else layers
    if not chosen or not all(0 <= layer < len(weights) for layer in chosen):
        raise BadInput(f"layers {list(chosen)}: {vlm.base.name} has layers 0 to {len(weights) - 1}")
    tokens = np.flatnonzero(np.asarray(ids) == vlm.model.config.image_token_id)
    if near := [layer for layer in chosen if weights[layer].shape[-1] < len(ids)]:
        raise BadDeclaration(
            f"layer {near[0]} of {vlm.base.name} sees {weights[near[0]].shape[-1]} of {len(ids)} tokens back",
            hint="choose layers without a sliding window",
        )
    # Each is (slots, heads, 1, tokens so far).
    seen = torch.stack([weights[layer][:, :, -1].float().mean(1)[:, tokens] for layer in chosen], dim=1)
    ends = np.cumsum([len(image) for image in features.images])[:-1].tolist()
    return tuple(
        np.asarray(part.reshape(len(slots), -1, *shape).cpu().numpy(), dtype=np.float32)
        for part, shape in zip(seen.tensor_split(ends, dim=2), shapes, strict=True)
    )


def attention_map(
    vlm: VisionLanguageModel,
    features: ImageFeatures,
    prompt: str,
    *,
    layers: Sequence[int] | None = None,
    slot: int = 0,
) -> npt.NDArray[np.float32]:
    """The mean of `layer_attention` over its layers as a heat map: (rows, columns), the greatest value 1.

    Raises:
        BadInput, BadDeclaration: as `layer_attention`.
    """
    heat = layer_attention(vlm, features, prompt, layers=layers, slots=[slot])[0].mean(axis=0)
    return np.asarray(heat / heat.max(), dtype=np.float32)


def token_grid(vlm: VisionLanguageModel, image: EncodedImage) -> tuple[int, int]:
    """Rows and columns of an image's tokens.

    Raises:
        BadDeclaration: they are no grid that is known.
    """
    tokens = len(image)
    _, height, width = image.grid or (1, 1, 1)
    columns = math.isqrt(tokens * width // height)
    if columns == 0 or tokens % columns or tokens // columns * width != columns * height:
        raise BadDeclaration(f"{vlm.base.name} makes {tokens} tokens of an image, which is no square grid")
    return tokens // columns, columns


@contextmanager
def _eager(language: Any) -> Iterator[None]:
    """The language model with the one kind of attention that gives its weights out."""
    usual = language.config._attn_implementation
    language.set_attn_implementation("eager")
    try:
        yield
    finally:
        language.set_attn_implementation(usual)
