"""LLaVA whose tower sees an image at several scales (S2): the square whole and in tiles of the tower's size.

Features of a larger scale are put together as their tiles lie, pooled to the grid of the whole, and stand
behind those of the smaller scales in each token. From "When Do We Not Need Larger Vision Models?",
arXiv 2403.13043, as its authors' code computes it for LLaVA. transformers' model has the weights under its
own names; from pixels it cannot compute this by itself, and refuses pictures of this size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.nn.functional import interpolate

from zoo.vlm.encoded import EncodedImage
from zoo.vlm.families.llava import Llava


class LlavaS2(Llava):
    """LlavaForConditionalGeneration with a layer of the tower for each scale."""

    def encode(self, model: Any, image_processor: Any, images: Sequence[Image.Image]) -> list[EncodedImage]:
        return [EncodedImage(self._tokens(model, image_processor, image)) for image in images]

    def _tokens(self, model: Any, image_processor: Any, image: Image.Image) -> torch.Tensor:
        """(tokens, hidden), from the largest square alone, as the original code does."""
        read = image_processor(images=[image], return_tensors="pt")["pixel_values"]
        pixels = read.to(model.device, model.dtype)
        side = model.config.vision_config.image_size
        seen = []
        for scale, layer in enumerate(model.config.vision_feature_layer, 1):
            # Plain bicubic, which leaves pixels out where it makes smaller: so it was taught.
            scaled = interpolate(pixels.float(), size=(scale * side, scale * side), mode="bicubic")
            grid = _features(model, _tiles(scaled.to(pixels.dtype), scale), layer, scale)
            seen.append(_pooled(grid, scale))
        tokens: torch.Tensor = model.model.multi_modal_projector(torch.cat(seen, dim=-1).flatten(0, 1))
        return tokens


def _tiles(square: torch.Tensor, scale: int) -> torch.Tensor:
    """A square (1, 3, side, side) in scale x scale tiles, row by row: (tiles, 3, a tile's side, its side)."""
    channels, side = square.shape[1], square.shape[2] // scale
    parts = square.view(channels, scale, side, scale, side)
    return parts.permute(1, 3, 0, 2, 4).reshape(-1, channels, side, side)


def _features(model: Any, tiles: torch.Tensor, layer: int, scale: int) -> torch.Tensor:
    """The tower's features as they lie in the square, (rows, columns, width), without its class tokens."""
    found = model.model.vision_tower(tiles, output_hidden_states=True).hidden_states[layer][:, 1:]
    side, width = int(found.shape[1] ** 0.5), found.shape[2]
    parts = found.view(scale, scale, side, side, width)
    grid: torch.Tensor = parts.permute(0, 2, 1, 3, 4).reshape(scale * side, scale * side, width)
    return grid


def _pooled(grid: torch.Tensor, scale: int) -> torch.Tensor:
    """Means of scale x scale features, (rows / scale, columns / scale, width)."""
    side = grid.shape[0] // scale
    parts = grid.float().view(side, scale, side, scale, -1)
    return parts.mean(dim=(1, 3)).to(grid.dtype)


FAMILY = LlavaS2()
