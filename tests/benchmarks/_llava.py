"""Random LLaVAs of a stated shape, and preference pairs of stated lengths for them: what benchmarks run on.

Weights are drawn, so nothing is downloaded and the answers mean nothing; times, memory and agreement between
two programs do not hang on them. It knows nothing of what is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from training.data import PairSet, read_pair_set
from training.pairs.build import build_pairs
from training.pairs.step import Tools
from training.variants import get_variant
from zoo.bases import Base
from zoo.datasets import Given, QuestionSet, no_regions
from zoo.phantom.scans import make_scan
from zoo.records import Question
from zoo.vlm.builders import phantom_tokenizer as tokens
from zoo.vlm.families.llava import FAMILY
from zoo.vlm.model import VisionLanguageModel

TEMPLATE_TOKENS = 4
"""Of a prompt, beside its image and its words."""
PICTURE = 512
"""Width and height in pixels of the drawn scans as files."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a LLaVA; as they stand 65 million parameters: language model 58, tower and projector 7."""

    hidden: int = 512
    layers: int = 8
    heads: int = 8
    kv_heads: int | None = None
    """None: as many as heads."""
    intermediate: int = 1376
    vocabulary: int = 32_000
    tied: bool = False
    """Whether the head is the embeddings' own tensor."""
    vision_hidden: int = 384
    vision_layers: int = 4
    vision_heads: int = 6
    vision_intermediate: int = 1536
    patch: int = 14
    patches: int = 16
    """A side of the image in patches."""

    @property
    def image_tokens(self) -> int:
        """Tokens of an image in the language model; the tower has one more."""
        return self.patches**2

    def seeing(self, image_tokens: int) -> "Shape":
        """The same model for images of another size."""
        return replace(self, patches=round(image_tokens**0.5))


def new_model(
    shape: Shape, *, seed: int = 0, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> LlavaForConditionalGeneration:
    """A model with weights drawn on its device; the same seed gives the same ones."""
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=shape.vision_hidden,
            num_hidden_layers=shape.vision_layers,
            num_attention_heads=shape.vision_heads,
            intermediate_size=shape.vision_intermediate,
            image_size=shape.patch * shape.patches,
            patch_size=shape.patch,
        ),
        text_config=LlamaConfig(
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads or shape.heads,
            intermediate_size=shape.intermediate,
            vocab_size=shape.vocabulary,
            tie_word_embeddings=shape.tied,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        ),
        image_token_id=tokens.SPECIAL_TOKENS.index(tokens.IMAGE),
        image_seq_length=shape.image_tokens,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=shape.tied,
    )
    torch.manual_seed(seed)
    with torch.device(device):
        return LlavaForConditionalGeneration._from_config(config, dtype=dtype)


def new_processor(shape: Shape) -> Any:
    """A processor whose every word `w0`, `w1`, ... is one token."""
    special = list(tokens.SPECIAL_TOKENS)
    words = [f"w{number}" for number in range(shape.vocabulary - len(special))]
    vocabulary = {token: number for number, token in enumerate(special + words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=tokens.PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens.BOS,
        eos_token=tokens.END_OF_TURN,
        pad_token=tokens.PAD,
        extra_special_tokens={"image_token": tokens.IMAGE},
        chat_template=tokens.CHAT_TEMPLATE,
    )
    return tokens.make_processor(fast, image_size=shape.patch * shape.patches, patch_size=shape.patch)


def as_base(model: LlavaForConditionalGeneration, processor: Any) -> VisionLanguageModel:
    """The model as a loaded base of this product."""
    base = Base(
        repo="benchmark/llava",
        revision="0" * 40,
        family="llava",
        license="apache-2.0",
        about="Random weights.",
        name="benchmark",
    )
    return VisionLanguageModel(base, FAMILY, model, processor)


def make_pairs(
    folder: Path,
    *,
    pairs: int,
    prompt_tokens: int,
    response_tokens: int,
    vocabulary: int = Shape.vocabulary,
    seed: int = 0,
) -> PairSet:
    """A pair set of the variant `dpo`: a drawn scan of its own for each pair, words drawn evenly.

    `prompt_tokens` counts the template's tokens and not the image's; `response_tokens`, of both responses,
    the end of turn too.
    """
    rng = np.random.default_rng(seed)

    def words(count: int) -> str:
        return " ".join(f"w{n}" for n in rng.integers(vocabulary - len(tokens.SPECIAL_TOKENS), size=count))

    def scan(name: str) -> Image.Image:
        return Image.fromarray(make_scan(int(name)).pixels).resize((PICTURE, PICTURE)).convert("RGB")

    questions = tuple(
        Question(
            id=f"q{number}",
            dataset="random",
            split="train",
            images=(str(number),),
            prompt=words(prompt_tokens - TEMPLATE_TOKENS),
            answer=words(response_tokens - 1),
            answer_type="open",
            question_type="random",
        )
        for number in range(pairs)
    )
    given: Mapping[str, Given] = {q.id: Given(rejected=words(response_tokens - 1)) for q in questions}
    variant = get_variant("dpo")
    found = QuestionSet(
        name="random",
        split="train",
        license="apache-2.0",
        questions=questions,
        open_image=scan,
        regions=no_regions,
        given=given,
    )
    build_pairs("dpo", variant.steps, Tools(questions=found, seed=seed), folder, base="benchmark@0")
    return read_pair_set(folder, variant, base="benchmark@0")
