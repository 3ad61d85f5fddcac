"""A base's tokenizer files in a form whose ids no version of transformers changes.

The class is the plain one that does what `tokenizer.json` says: that of Llama builds a tokenizer of its own
from the vocabulary, in which the blank behind `<image>` is lost.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, processors

from zoo.bases import Base
from zoo.errors import BadInput
from zoo.model_files import ModelFiles
from zoo.vlm.convert.sentencepiece import read_sentencepiece
from zoo.vlm.convert.source import read_json
from zoo.vlm.shards import write_whole

MODEL_NAME, JSON_NAME, CONFIG_NAME = "tokenizer.model", "tokenizer.json", "tokenizer_config.json"
IMAGE = "<image>"
_RESERVED = "<|reserved_special_token_"
"""How Llama 3 names the tokens that it keeps for others to use."""
_SAMPLES = {
    ("llava_mistral", 32000): {
        "[INST] ": [733, 16289, 28793, 28705],
        "\nIs there [/INST]": [28705, 13, 2301, 736, 733, 28748, 16289, 28793],
        "No ": [1770, 28705],
    },
    ("llava_qwen2", 151646): {
        "<|user|>\n": [27, 91, 872, 91, 397],
        "<|assistant|>\n": [27, 91, 77091, 91, 397],
    },
    ("llava_llama", 128002): {
        "<|start_header_id|>user<|end_header_id|>\n\n": [128006, 882, 128007, 271],
        "\nIs there<|eot_id|>": [198, 3957, 1070, 128009],
    },
}
"""What the original tokenizers give, by layout and image token; a smaller one's ids nobody knows."""


def make_tokenizer(files: ModelFiles, base: Base, *, image_token: int) -> Tokenizer:
    """The tokenizer of an original checkpoint with the image token, tested for the base's own ids.

    `tokenizer.model` is read before `tokenizer.json`, since it is what the original code reads.

    Raises:
        BadInput: there is none, it or its configuration cannot be read, or it gives other ids than the
            base's.
    """
    if path := files.path(MODEL_NAME):
        tokenizer = read_sentencepiece(path)
    elif path := files.path(JSON_NAME):
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises no other
            raise BadInput(f"{path} cannot be read: {str(error)[:200]}") from None
    else:
        raise BadInput(f"{files.name} has neither {MODEL_NAME} nor {JSON_NAME}")
    if (tokenizer.id_to_token(image_token) or "").startswith(_RESERVED):
        tokenizer = _renamed(tokenizer, image_token)
    tokenizer.add_special_tokens([AddedToken(IMAGE, special=True, normalized=False)])
    for token, number in {**base.tokens, IMAGE: image_token}.items():
        if tokenizer.token_to_id(token) != number:
            raise BadInput(
                f"{path}: {token} is {tokenizer.token_to_id(token)}; {base.name} has it as {number}"
            )
    for text, ids in _SAMPLES.get((base.original, image_token), {}).items():
        given = tokenizer.encode(text, add_special_tokens=False).ids
        if given != ids:
            raise BadInput(f"{path}: {text!r} becomes {given}; {base.name} was taught with {ids}")
    _said(files)  # what is wrong with it is told before gigabytes are read
    return tokenizer


def _renamed(tokenizer: Tokenizer, number: int) -> Tokenizer:
    """The same tokenizer, in which a reserved token is the image's."""
    told, own = json.loads(tokenizer.to_str()), tokenizer.id_to_token(number)
    for one in told["added_tokens"]:
        if one["id"] == number:
            one["content"] = IMAGE
    if own in told["model"]["vocab"]:
        told["model"]["vocab"][IMAGE] = told["model"]["vocab"].pop(own)
    return Tokenizer.from_str(json.dumps(told))


def write_tokenizer(
    folder: Path, tokenizer: Tokenizer, files: ModelFiles, base: Base, *, pad_id: int, longest: int
) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and the base's chat template.

    A prompt from the template has its own first token; a text that is encoded by itself gets the one that
    the original tokenizer puts there.
    """
    said, starts = _said(files), "bos_token" in base.template
    names = {key: _text(said.get(key)) for key in ("bos_token", "unk_token")}
    if starts:  # a prompt would lose its first token silently
        names["bos_token"] = tokenizer.id_to_token(base.config["text_config"]["bos_token_id"]) or ""
    names = {key: text for key, text in names.items() if text and tokenizer.token_to_id(text) is not None}
    if "bos_token" in names and said.get("add_bos_token", starts):
        bos = names["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A",
            pair=f"{bos} $A {bos}:1 $B:1",
            special_tokens=[(bos, tokenizer.token_to_id(bos))],
        )
    config = {
        **names,
        "eos_token": base.ends[0],
        "pad_token": tokenizer.id_to_token(pad_id),
        "image_token": IMAGE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": longest,
        "padding_side": "left",
        "processor_class": "LlavaProcessor",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    write_whole(folder / JSON_NAME, tokenizer.to_str(pretty=False) + "\n")
    write_whole(folder / CONFIG_NAME, json.dumps(config, indent=2) + "\n")
    write_whole(folder / "chat_template.jinja", base.template)


def _said(files: ModelFiles) -> dict[str, Any]:
    """`tokenizer_config.json`, which a checkpoint may lack."""
    return read_json(files, CONFIG_NAME) if files.path(CONFIG_NAME) else {}


def _text(token: Any) -> str:
    """A token as a configuration names it: a text, or a record of one."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")
