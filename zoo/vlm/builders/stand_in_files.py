"""What lies beside the weights of a stand-in: a tokenizer of bytes, an image processor, a card.

Files are named and written as those of the base's own repository, where transformers can read them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from zoo.bases import Base

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
HALF = [0.5, 0.5, 0.5]
PRINTABLE = range(32, 127)
IMAGES = ("<image>", "<|image_pad|>", "<image_soft_token>")
CARD = """\
---
library_name: transformers
tags:
- medvlm-zoo
- random-weights
---
# A stand-in for {name}

**Its weights are random: what it says means nothing.** It has the architecture of `{repo}` and the names of
its tensors, {parameters:,} parameters drawn with seed {seed}, a tokenizer of bytes, and nothing that anyone
trained. It is for trying the whole chain, and for measuring speed and memory, where the real weights are not.
"""


@dataclass(frozen=True)
class Words:
    """A stand-in's vocabulary: the base's tokens at their ids, and bytes."""

    special: Mapping[str, int]
    """Ids of the tokens that matter."""
    bytes: Mapping[str, int]
    """Ids of the 256 bytes, as byte-level tokenizers spell them."""

    @property
    def image(self) -> int:
        """The id that stands for an image's features."""
        return next(self.special[token] for token in IMAGES if token in self.special)

    @property
    def known(self) -> list[int]:
        """Every id that a text can have."""
        return sorted({*self.special.values(), *self.bytes.values()} - {self.image})

    @property
    def said(self) -> list[int]:
        """Ids that it may answer with: printable bytes and special tokens."""
        spell = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        printed = {self.bytes[spell.pre_tokenize_str(chr(byte))[0][0]] for byte in PRINTABLE}
        return sorted({*self.special.values(), *printed} - {self.image})


def place_words(base: Base) -> Words:
    """The base's tokens at their ids, and the bytes at the first ones that these leave."""
    special = dict(base.tokens)
    if base.config["model_type"] == "llava":
        special.setdefault("<image>", max(special.values()) + 1)
    free = (number for number in count() if number not in special.values())
    return Words(special, dict(zip(sorted(pre_tokenizers.ByteLevel.alphabet()), free, strict=False)))


def write_tokenizer(base: Base, words: Words, folder: Path) -> None:
    """A byte-level tokenizer that holds the base's tokens, with the base's template."""
    tokenizer = Tokenizer(models.BPE(vocab={**words.bytes, **words.special}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in words.special])

    def first(*names: str) -> str | None:
        return next((name for name in names if name in words.special), None)

    roles = {
        "bos_token": first("<s>", "<bos>", "<|begin_of_text|>"),
        "eos_token": first("<eos>") or base.ends[0],
        "pad_token": first("<pad>", "<|endoftext|>", "<|end_of_text|>", "<unk>"),
        "unk_token": first("<unk>"),
    }
    extra = {
        "image_token": first(*IMAGES),
        "boi_token": first("<start_of_image>"),
        "eoi_token": first("<end_of_image>"),
    }
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{role: token for role, token in roles.items() if token},
        extra_special_tokens={role: token for role, token in extra.items() if token},
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=base.template,
    ).save_pretrained(folder)


def write_processor(base: Base, config: Mapping[str, Any], folder: Path) -> None:
    """`preprocessor_config.json`, and `processor_config.json` where the family has one."""
    eyes = config["vision_config"]
    clip = {"image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3}
    if base.family == "qwen-vl":
        deep = "deepstack_visual_indexes" in eyes
        square = (eyes["patch_size"] * eyes["spatial_merge_size"]) ** 2
        pictures = clip | {
            "image_processor_type": "Qwen2VLImageProcessorFast",
            **({"image_mean": HALF, "image_std": HALF} if deep else {}),
            "patch_size": eyes["patch_size"],
            "merge_size": eyes["spatial_merge_size"],
            "temporal_patch_size": eyes["temporal_patch_size"],
            "size": {"shortest_edge": (64 if deep else 4) * square, "longest_edge": 16384 * square},
        }
        _write(folder / "preprocessor_config.json", pictures)
        return
    side = eyes["image_size"] * base.scales
    if base.family == "gemma3":
        pictures = {
            "image_processor_type": "Gemma3ImageProcessor",
            "size": {"height": side, "width": side},
            "image_mean": HALF,
            "image_std": HALF,
            "resample": 2,
            "image_seq_length": config["mm_tokens_per_image"],
        }
        whole = {"processor_class": "Gemma3Processor", "image_seq_length": config["mm_tokens_per_image"]}
    else:
        pictures = clip | {
            "image_processor_type": "LlavaImageProcessor",
            "do_pad": base.image.pad_to_square,
            "size": {"shortest_edge": side},
            "crop_size": {"height": side, "width": side},
        }
        whole = {
            "processor_class": "LlavaProcessor",
            "patch_size": eyes["patch_size"],
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        }
    _write(folder / "preprocessor_config.json", pictures)
    _write(folder / "processor_config.json", whole)


def write_generation_config(base: Base, words: Words, folder: Path) -> None:
    """`generation_config.json` with every token that ends an answer."""
    _write(folder / "generation_config.json", {"eos_token_id": [words.special[end] for end in base.ends]})


def write_card(base: Base, folder: Path, *, parameters: int, seed: int) -> None:
    """`README.md`, which says that the weights are random."""
    text = CARD.format(name=base.name, repo=base.repo, parameters=parameters, seed=seed)
    (folder / "README.md").write_text(text, encoding="utf-8")


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
