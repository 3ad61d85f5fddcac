"""Model families: what differs between them in reading images and placing tokens. One file each.

A family knows transformers' classes of its models; it knows no adapters, no tasks and no base by name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from zoo.bases import Base
from zoo.errors import BadDeclaration
from zoo.vlm.encoded import EncodedImage
from zoo.vlm.image_rule import following
from zoo.vlm.vocabulary import check_tokens


class Family:
    """How a family reads; what is said here holds for most."""

    models: tuple[Any, ...]
    """transformers' classes of its models."""
    together: int | None = None
    """Images that go through the tower at once at most, where one alone is thousands of patches."""

    def load(self, source: str, *, base: Base, **settings: Any) -> tuple[Any, Any]:
        """Model and processor of a base from a folder; `settings` are the model's
        `from_pretrained`'s. Weights are read from safetensors alone: a pickle is a program.

        Raises:
            BadDeclaration: what lies there is no model of this family, lacks weights or has others, has no
                chat template where the base has none, or reads images or tokens otherwise than the base says.
        """
        kind, processor = self._prepare(source, base)
        if not any(Path(source).glob("*.safetensors")):
            raise BadDeclaration(f"{source} has no weights in safetensors, the one form that is read")
        model, found = kind.from_pretrained(
            source, output_loading_info=True, use_safetensors=True, **settings
        )
        if wrong := sorted(map(str, {*found["missing_keys"], *found["mismatched_keys"]})):
            raise BadDeclaration(f"{source} lacks {wrong[0]} or has it in another shape, one of {len(wrong)}")
        if more := sorted(found["unexpected_keys"]):
            raise BadDeclaration(f"{source} has {more[0]}, which its model lacks, one of {len(more)}")
        return model, processor

    def outline(self, source: str, *, base: Base) -> tuple[Any, Any]:
        """The same without weights: the model has its shapes alone and lies on the device `meta`.

        Raises:
            BadDeclaration: see `load`.
        """
        kind, processor = self._prepare(source, base)
        with torch.device("meta"):
            model = kind(AutoConfig.from_pretrained(source))
        return model.float(), processor  # its parts may be of two precisions, as their configurations say

    def _prepare(self, source: str, base: Base) -> tuple[Any, Any]:
        """The model's class, and the processor as the base says that it reads."""
        config = AutoConfig.from_pretrained(source)
        kind = config.model_type
        models = {model.config_class.model_type: model for model in self.models}
        if kind not in models:
            raise BadDeclaration(f"{source} is of the type {kind!r}; this family reads {', '.join(models)}")
        processor = self.load_processor(source)
        written = processor.chat_template or processor.tokenizer.chat_template
        if not (template := base.template or written):
            raise BadDeclaration(f"{source} has no chat template, and {base.name} declares none")
        processor.chat_template = template
        processor.image_processor = following(base.image, processor.image_processor, base=base.name)
        image = (self.image_token(processor), config.image_token_id)
        check_tokens(base, processor.tokenizer.get_vocab(), image=image)
        return models[kind], processor

    def load_processor(self, source: str) -> Any:
        """A tokenizer, an image processor and a chat template, where the files have one."""
        return AutoProcessor.from_pretrained(source)

    def encode(self, model: Any, image_processor: Any, images: Sequence[Image.Image]) -> list[EncodedImage]:
        """Vision features of independent images in RGB. The caller sees to it that no gradient flows."""
        raise NotImplementedError

    def image_token(self, processor: Any) -> str:
        """The token whose embeddings an image's features take the place of."""
        token: str = processor.image_token
        return token

    def image_marker(self, processor: Any) -> str:
        """What the chat template puts where an image goes."""
        return self.image_token(processor)

    def image_text(self, processor: Any, tokens: int) -> str:
        """What stands in the marker's place for an image of so many tokens."""
        return self.image_marker(processor) * tokens

    def end_of_turn(self, processor: Any) -> int:
        """Token id with which the model ends its answer, where its base does not say."""
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
