"""A base in memory: its weights, tokenizer, template and image processor, behind a few plain acts.

What differs between families of models is `zoo.vlm.families`. It does not know what a response is worth or
which adapter is which: scoring is `zoo.vlm.shared` and `zoo.vlm.score`, answering `zoo.vlm.decode`,
adapters are `zoo.vlm.lora` and `zoo.vlm.bank`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from transformers import GenerationConfig

from zoo.asking import Turn, question
from zoo.bases import Base
from zoo.discovery import declared
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm import families
from zoo.vlm.conversation import conversation_text
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.families import Family
from zoo.vlm.precision import choose_device, choose_dtype
from zoo.vlm.quantised import Quantization, quantising, settle

if TYPE_CHECKING:
    from zoo.vlm.bank import AdapterBank

_NAMES = {"system": "a system's turn", "user": "a question", "assistant": "an assistant's turn"}
_PLACE = "\ue000"
"""Stands for a question to see where the template puts it; a character of no script."""


class VisionLanguageModel:
    """A loaded base. Its weights are frozen; an adapter bank or a LoRA may sit on it."""

    def __init__(
        self,
        base: Base,
        family: Family,
        model: Any,
        processor: Any,
        *,
        quantize: Quantization | None = None,
        compiled: bool = False,
    ) -> None:
        """`quantize` says how the language model's weights are kept, `compiled` whether each token after a
        prompt runs as a compiled graph (`zoo.vlm.compiled`)."""
        self.base = base
        self.family = family
        self.model = model.eval().requires_grad_(False)
        self.model.generation_config = GenerationConfig()  # what a checkpoint recommends, nobody asked for
        self.tokenizer = processor.tokenizer
        self.image_processor = processor.image_processor
        self.quantization: str = quantize or ""
        """How the language model's weights are kept: empty for as they are, `4bit` or `8bit`."""
        self.compiled = compiled
        self.bank: AdapterBank | None = None
        self.end_of_turn = family.end_of_turn(processor)
        self._processor = processor
        added = self.tokenizer.added_tokens_decoder.values()
        self._markers = [str(token) for token in added if token.special]

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        device: torch.device = self.model.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """The precision that it computes in."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def precision(self) -> str:
        """Its precision and quantisation in words, such as `bfloat16 4bit`."""
        return f"{str(self.dtype).removeprefix('torch.')} {self.quantization}".rstrip()

    @property
    def identity(self) -> str:
        """All that decides what the base says: `name@revision`, its precision and its quantisation."""
        return f"{self.base.pinned} {self.precision}"

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> ImageFeatures:
        """Vision features of one question's images, computed once for every row that asks about them.

        Raises:
            BadInput: more images than the base takes in one question, or none.
        """
        if not 1 <= len(images) <= self.base.max_images:
            raise BadInput(
                f"{len(images)} images in one question; {self.base.name} takes 1 to {self.base.max_images}"
            )
        return ImageFeatures(tuple(self.encode_batch(images)))

    @torch.no_grad()
    def encode_batch(self, images: Sequence[Image.Image]) -> list[EncodedImage]:
        """Vision features of any number of independent images."""
        return self.family.encode(self.model, self.image_processor, [i.convert("RGB") for i in images])

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary in float32, (tokens, vocabulary), from final hidden states."""
        logits: torch.Tensor = self.model.lm_head(hidden)
        return logits.float()

    @property
    def vocabulary(self) -> int:
        """Entries of the vocabulary."""
        size: int = self.model.config.get_text_config().vocab_size
        return size

    def prompt_ids(self, prompt: str | Sequence[Turn], features: ImageFeatures) -> list[int]:
        """Token ids of a question with its images, or of a conversation, up to where the answer begins.

        Each image is as many image tokens as it has features, so that nothing is cut.

        Raises:
            BadInput: a text holds one of the tokenizer's special tokens, the turns place another number of
                images than there are, or the template refuses them.
        """
        ids: list[int] = self.tokenizer(self._text(prompt, features), add_special_tokens=False)["input_ids"]
        return ids

    def check_length(self, prompt_tokens: int, max_tokens: int) -> None:
        """Raise BadInput if a prompt and its answer are longer than what the base was made for."""
        longest = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and prompt_tokens + max_tokens > longest:
            raise BadInput(
                f"the prompt has {prompt_tokens} tokens, its images' included, and {max_tokens} more are "
                f"asked for; {self.base.name} takes {longest} together",
                hint="shorten the question, or ask for fewer tokens",
            )

    def _text(self, prompt: str | Sequence[Turn], features: ImageFeatures) -> str:
        turns = question(prompt, images=len(features.images)) if isinstance(prompt, str) else prompt
        for turn in turns:
            self._refuse_markers(_NAMES[turn.role], turn.text)
        return conversation_text(self.family, self._processor, turns, features.images, base=self.base.name)

    def question_place(self, prompt: str, features: ImageFeatures) -> tuple[int, int]:
        """Where in `prompt_ids` the question's own tokens begin and end: all that touch it; one may reach
        into the template.

        Raises:
            BadInput: the prompt is empty or holds a special token, or the template changes it.
        """
        text = self._text(prompt, features)
        before, _, after = self._text(_PLACE, features).partition(_PLACE)
        start, end = len(before), len(text) - len(after)
        if not prompt.strip() or text[start:end].strip() != prompt.strip():
            raise BadInput(f"the question {prompt[:40]!r} cannot be told apart from its template")
        offsets = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)[
            "offset_mapping"
        ]
        own = [n for n, (first, last) in enumerate(offsets) if first < end and last > start]
        return own[0], own[-1] + 1

    def response_offsets(self, response: str) -> list[tuple[int, int]]:
        """Characters `start` to `end` of each token of `response_ids` but the end of turn."""
        found = self.tokenizer(response, add_special_tokens=False, return_offsets_mapping=True)
        return [(int(start), int(end)) for start, end in found["offset_mapping"]]

    def response_ids(self, response: str) -> list[int]:
        """Token ids of a response, the end of turn included.

        Raises:
            BadInput: it holds one of the tokenizer's special tokens.
        """
        self._refuse_markers("a response", response)
        ids: list[int] = self.tokenizer(response, add_special_tokens=False)["input_ids"]
        return [*ids, self.end_of_turn]

    def _refuse_markers(self, what: str, text: str) -> None:
        if found := next((marker for marker in self._markers if marker in text), None):
            raise BadInput(f"{what} may not hold {found!r}, which {self.base.name} takes for a marker")


def load_base(
    base: Base,
    *,
    device: str = "auto",
    dtype: str = "auto",
    quantize: Quantization | None = None,
    folder: Path | None = None,
    compiled: bool = False,
) -> VisionLanguageModel:
    """Load a base from its own folder, from `folder`, or from the Hub at its pinned revision.

    `auto` is the GPU where there is one, in bfloat16 where it computes in it; else the CPU in float32.

    Raises:
        BadDeclaration: the base's family is not one that this code reads.
        BadInput: the device is not here, there is no such precision, or nothing to quantise with.
    """
    found = declared(families.__name__, families.__path__, "FAMILY", Family)
    if base.family not in found:
        raise BadDeclaration(f"{base.name} is of the family {base.family!r}; known are {', '.join(found)}")
    family = found[base.family]
    source = folder or base.folder
    place = choose_device(device)
    settings: dict[str, Any] = {"dtype": choose_dtype(dtype, place)}
    if quantize or place.type != "cpu":  # so that no whole copy is ever made beside it
        settings["device_map"] = {"": str(place)}
    if quantize:
        settings |= quantising(quantize, settings["dtype"])
    if source is None:
        settings["revision"] = base.revision
    model, processor = family.load(str(source or base.repo), **settings)
    if quantize:
        settle(model)
    return VisionLanguageModel(base, family, model, processor, quantize=quantize, compiled=compiled)
