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
from zoo.errors import BadDeclaration, BadInput, HubUnreachable
from zoo.vlm import families
from zoo.vlm.conversation import conversation_text
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.families import Family
from zoo.vlm.fetched import fetch_model
from zoo.vlm.image_rule import check_picture
from zoo.vlm.precision import choose_device, choose_dtype
from zoo.vlm.quantised import Quantization, let_go, quantising, settle
from zoo.vlm.sharded import share_out
from zoo.vlm.shards import require_finished
from zoo.vlm.vocabulary import end_ids, markers, never_said

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
        vocabulary = self.tokenizer.get_vocab()
        ends = end_ids(base, vocabulary, usual=family.end_of_turn(processor))
        self.end_of_turn = ends[0]
        """With which training ends an answer."""
        self.ends = frozenset(ends)
        """With any of which an answer has ended."""
        self._processor = processor
        self._markers = markers(base, self.tokenizer)
        self.unsaid = never_said(vocabulary, rows=self.vocabulary, image=self.model.config.image_token_id)
        """Token ids that no answer may hold."""
        self._unsaid = torch.tensor(self.unsaid, device=self.device)

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
        """Vision features of any number of independent images.

        Raises:
            BadInput: one is far too long for its width, or for what it would be padded to.
            BadDeclaration: one became another number of tokens than the base says.
        """
        rule, name = self.base.image, self.base.name
        for image in images:
            check_picture(rule, image, base=name)
        encoded = []
        size = self.family.together or len(images) or 1
        for start in range(0, len(images), size):
            some = [image.convert("RGB") for image in images[start : start + size]]
            encoded += self.family.encode(self.model, self.image_processor, some)
        for one in encoded:
            if rule.tokens is not None and len(one) != rule.tokens:
                raise BadDeclaration(f"{name} made {len(one)} tokens of an image; it says {rule.tokens}")
        return encoded

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary in float32, (tokens, vocabulary), from final hidden states."""
        logits: torch.Tensor = self.model.lm_head(hidden)
        return logits.float()

    def sayable(self, logits: torch.Tensor) -> torch.Tensor:
        """The same logits (tokens, vocabulary), -inf for what no answer may hold: the image token, and rows
        that no token has. Responses are scored over the whole vocabulary, as they are in training."""
        return logits.index_fill(-1, self._unsaid, -torch.inf)

    @property
    def vocabulary(self) -> int:
        """Entries of the vocabulary."""
        size: int = self.model.config.get_text_config().vocab_size
        return size

    def prompt_ids(self, prompt: str | Sequence[Turn], features: ImageFeatures) -> list[int]:
        """Token ids of a question with its images, or of a conversation, up to where the answer begins.

        Each image is as many image tokens as it has features, so that nothing is cut.

        Raises:
            BadInput: a text holds a marker, the turns place another number of images than there are, or the
                template refuses them.
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
            BadInput: the prompt is empty or holds a marker, or the template changes it.
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
        """Characters `start` to `end` of each token of `response_ids` but the end of turn. What the base puts
        between a response and its end lies behind the response's last character."""
        found = self.tokenizer(
            response + self.base.answer_end, add_special_tokens=False, return_offsets_mapping=True
        )
        return [(int(start), int(end)) for start, end in found["offset_mapping"]]

    def response_ids(self, response: str) -> list[int]:
        """Token ids of a response and its end, as the base was taught: what it puts between both, and the end
        of turn, included.

        Raises:
            BadInput: it holds a marker.
        """
        self._refuse_markers("a response", response)
        text = response + self.base.answer_end
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
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
    sharded: bool = False,
) -> VisionLanguageModel:
    """Load a base from its own folder, from `folder`, or from the Hub at its pinned revision.

    `auto` is the GPU where there is one, in bfloat16 where it computes in it; else the CPU in float32.
    `sharded` shares its layers out among the processes of torch's default group (`zoo.vlm.sharded`).

    Raises:
        BadDeclaration: the base's family is not one that this code reads.
        BadInput: the device is not here, there is no such precision, or nothing to quantise with or not
            where it is to be shared out; the base cannot be loaded yet (`Base.require_usable`), or its folder
            is unfinished.
        HubError: the base lies on a Hub that does not answer or refuses.
    """
    if quantize and sharded:
        raise BadInput(
            f"a base in {quantize} cannot be shared out: its packed weights are no tensors that can be cut",
            hint="leave FSDP out, for it takes a quarter of the memory already, or --load-in-4bit",
        )
    if folder is None:
        base.require_usable()
    family = _family(base)
    place = choose_device(device)
    settings: dict[str, Any] = {"dtype": choose_dtype(dtype, place)}
    if quantize or (place.type != "cpu" and not sharded):  # so that no whole copy is ever made beside it
        settings["device_map"] = {"": str(place)}
    if quantize:
        settings |= quantising(quantize, settings["dtype"])
    source = _source(base, folder)
    model, processor = family.load(str(source), base=base, **settings)
    if quantize:
        settle(model)
        if place.type == "cpu":
            let_go(model)
    if sharded:
        share_out(model, place)
    return VisionLanguageModel(base, family, model, processor, quantize=quantize, compiled=compiled)


def load_outline(base: Base) -> VisionLanguageModel:
    """The same without weights, of a base that another engine runs: it reads conversations and counts an
    image's tokens, and it computes nothing.

    Raises:
        BadDeclaration, BadInput, HubError: see `load_base`.
    """
    base.require_usable()
    family = _family(base)
    model, processor = family.outline(str(_source(base, None)), base=base)
    return VisionLanguageModel(base, family, model, processor)


def _family(base: Base) -> Family:
    found = declared(families.__name__, families.__path__, "FAMILY", Family)
    if base.family not in found:
        raise BadDeclaration(f"{base.name} is of the family {base.family!r}; known are {', '.join(found)}")
    return found[base.family]


def _source(base: Base, folder: Path | None) -> Path:
    source = folder or base.folder or _fetched(base)
    require_finished(source)
    return source


def _fetched(base: Base) -> Path:
    try:
        return fetch_model(base.repo, base.revision)
    except HubUnreachable as error:
        also = f"medzoo bases {base.name} --at FOLDER takes it from a folder"
        raise HubUnreachable(error.message, hint=f"{error.hint}; {also}" if error.hint else also) from error
