"""How well phrases fit an image: cosines by the contrastive encoder that a base declares.

Reads the CLIP family, from a folder or pinned on a Hub. It does not know what a cosine is worth: which is
high and which is low differs from encoder to encoder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, CLIPModel

from zoo.bases import Base, folder_revision
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.fetched import fetch_model


class PhraseSimilarity:
    """A loaded encoder; call it with an image and phrases. It remembers what phrases look like to it."""

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self.name = name
        """`name@revision` of the encoder."""
        self._model = model.eval().requires_grad_(False)
        self._processor = processor
        self._said: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def __call__(self, image: Image.Image, phrases: Sequence[str]) -> list[float]:
        """Cosine of each phrase with the image, -1 to 1; a phrase too long for the encoder is cut.

        Rounded to six decimals: in double precision that is the same in every process, whatever else was
        asked, where single precision differs in its last bits.
        """
        pixels = self._processor.image_processor(images=[image.convert("RGB")], return_tensors="pt")
        encoded = self._model.get_image_features(
            pixel_values=pixels["pixel_values"].to(self._model.device, self._model.dtype)
        )
        seen = torch.nn.functional.normalize(encoded.pooler_output[0], dim=0)
        return [round(float(self._read(phrase).dot(seen)), 6) for phrase in phrases]

    def _read(self, phrase: str) -> torch.Tensor:
        """The phrase's unit vector."""
        if phrase not in self._said:
            tokens = self._processor.tokenizer(
                phrase,
                truncation=True,
                max_length=self._model.config.text_config.max_position_embeddings,
                return_tensors="pt",
            ).to(self._model.device)
            encoded = self._model.get_text_features(tokens["input_ids"], tokens["attention_mask"])
            self._said[phrase] = torch.nn.functional.normalize(encoded.pooler_output[0], dim=0)
        return self._said[phrase]


def load_similarity(base: Base, *, device: str = "cpu") -> PhraseSimilarity:
    """The encoder that the base declares, in double precision.

    Raises:
        BadInput: the base declares none.
        BadDeclaration: an encoder on a Hub without the commit it is pinned to, or an empty folder.
        HubError: see `zoo.vlm.fetched.fetch_model`.
    """
    if base.encoder is None:
        raise BadInput(
            f"{base.name} declares no contrastive encoder, and phrases are compared with the image by one",
            hint=f"set encoder= in zoo/bases/{base.name.replace('-', '_')}.py, or choose --base phantom",
        )
    if isinstance(base.encoder, Path):
        folder, name = base.encoder, f"{base.name}-encoder@{folder_revision(base.encoder)}"
    else:
        name = base.encoder
        repo, _, revision = name.partition("@")
        if not revision:
            raise BadDeclaration(
                f"the encoder {name!r} of {base.name} is pinned to no commit", hint="REPO@SHA"
            )
        folder = fetch_model(repo, revision, pickled=True)
    model: Any = CLIPModel.from_pretrained(folder, dtype=torch.float64, weights_only=True)
    return PhraseSimilarity(name, model.to(device), AutoProcessor.from_pretrained(folder))
