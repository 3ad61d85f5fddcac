"""Model families: what differs between them in reading images and placing tokens. One file each.

A family knows transformers' classes of its models; it knows no adapters, no tasks and no base by name.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from zoo.errors import BadDeclaration
from zoo.vlm.encoded import EncodedImage


class Family:
    """How a family reads; what is said here holds for most."""

    models: tuple[Any, ...]
    """transformers' classes of its models."""

    def load(self, source: str, **settings: Any) -> tuple[Any, Any]:
        """Model and processor from a folder or a Hub id; `settings` are the model's `from_pretrained`'s.

        Raises:
            BadDeclaration: what lies there is no model of this family, or lacks weights.
        """
        pin = {"revision": settings["revision"]} if "revision" in settings else {}
        kind = AutoConfig.from_pretrained(source, **pin).model_type
        models = {model.config_class.model_type: model for model in self.models}
        if kind not in models:
            raise BadDeclaration(f"{source} is of the type {kind!r}; this family reads {', '.join(models)}")
        model, found = models[kind].from_pretrained(source, output_loading_info=True, **settings)
        if wrong := sorted(map(str, {*found["missing_keys"], *found["mismatched_keys"]})):
            raise BadDeclaration(f"{source} lacks {wrong[0]} or has it in another shape, one of {len(wrong)}")
        return model, self.load_processor(source, **pin)

    def load_processor(self, source: str, **pin: Any) -> Any:
        """A tokenizer, an image processor and a chat template."""
        return AutoProcessor.from_pretrained(source, **pin)

    def encode(self, model: Any, image_processor: Any, images: Sequence[Image.Image]) -> list[EncodedImage]:
        """Vision features of independent images in RGB. The caller sees to it that no gradient flows."""
        raise NotImplementedError

    def image_marker(self, processor: Any) -> str:
        """What the chat template puts where an image goes."""
        raise NotImplementedError

    def image_text(self, processor: Any, tokens: int) -> str:
        """What stands in the marker's place for an image of so many tokens."""
        return self.image_marker(processor) * tokens

    def end_of_turn(self, processor: Any) -> int:
        """Token id with which the model ends its answer."""
        token: int = processor.tokenizer.eos_token_id
        return token

    def positions(
        self, model: Any, prompt_ids: Sequence[int], images: Sequence[EncodedImage]
    ) -> torch.Tensor:
        """Positions of a prompt's tokens for rotary embeddings, `(tokens,)` or `(3, tokens)`."""
        return torch.arange(len(prompt_ids))

    def two_way(
        self, model: Any, prompt_ids: Sequence[int], images: Sequence[EncodedImage]
    ) -> tuple[tuple[int, int], ...]:
        """Parts of a prompt, `start` to `end` (not included), whose tokens see each other both ways."""
        return ()

    def embed(
        self, model: Any, ids: torch.Tensor, images: Sequence[EncodedImage]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Embeddings `(tokens, hidden)` of token ids end to end with the images' features in place, and what
        else the language model's forward takes.

        Raises:
            ValueError: the ids have another number of image tokens than the images.
        """
        where = ids == model.config.image_token_id
        features = torch.cat([image.tokens for image in images]) if images else None
        if int(where.sum()) != (0 if features is None else len(features)):
            raise ValueError(f"{int(where.sum())} image tokens for {sum(map(len, images))} image features")
        embeds = model.get_input_embeddings()(ids.masked_fill(where, 0))
        if features is not None:
            embeds = embeds.clone()
            embeds[where] = features.to(embeds)
        return embeds, {}

    def padded_inputs(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, images: Sequence[EncodedImage]
    ) -> dict[str, Any]:
        """What the whole model's forward and `generate` take for a padded batch `(rows, tokens)`."""
        features: Any = [image.tokens for image in images]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)},
        }
