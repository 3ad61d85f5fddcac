"""Tiny checkpoints in the layouts of LLaVA's original code, for tests of their conversion, and what the
original architecture computes on them, written plainly."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import gelu, linear
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    CLIPVisionConfig,
    CLIPVisionModel,
)

from tests._scales import seen
from zoo.bases import Base, known_base

NAMES = ("llava-med-v1.5", "huatuo-vision-7b")
SHARDS = 3
TOWER = "model.vision_tower.vision_tower.vision_model."
PROJECTOR = "model.mm_projector."
VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
    "projection_dim": 16,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
SIZES = {
    "hidden_size": 40,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
IMAGE_TOKENS = 16
LLAMA = (
    *("<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|start_header_id|>"),
    *("<|end_header_id|>", "<|eot_id|>", "<pad>"),
)
"""Tokens behind the 256 bytes of a tiny Llama 3."""
_WORDS = ("▁a", "▁th", "▁the", "is", "he", "th", "▁t", "▁T", "an", "in", "IN", "ST", "INST")


def tiny_base(name: str) -> Base:
    """The base of that name, declared as small as its tiny checkpoint."""
    base = known_base(name)
    if base.original == "llava_llama":
        return _tiny_llama(base)
    words = len(_pieces()) if base.original == "llava_mistral" else 257
    rows = words if base.original == "llava_mistral" else words + 7
    text = {
        **base.config["text_config"],
        **SIZES,
        "vocab_size": max(rows, words + 1),
        **({} if base.original == "llava_mistral" else dict.fromkeys(("bos_token_id", "eos_token_id"), 256)),
        **({} if base.original == "llava_mistral" else {"pad_token_id": 256}),
    }
    text = {**text, "head_dim": 10} if "head_dim" in text else text
    config = {
        **base.config,
        "image_token_index": words,
        "image_seq_length": IMAGE_TOKENS,
        "text_config": text,
        "vision_config": VISION,
    }
    ids = {"<|endoftext|>": 256} if base.original == "llava_qwen2" else {"<unk>": 0, "<s>": 1, "</s>": 2}
    image = replace(base.image, side=56, tokens=IMAGE_TOKENS)
    return replace(base, config=config, tokens={**ids, "<image>": words}, image=image, files={})


def _tiny_llama(base: Base) -> Base:
    ids = {token: 256 + number for number, token in enumerate(LLAMA)}
    text = {
        **base.config["text_config"],
        **SIZES,
        "head_dim": 10,
        "vocab_size": 256 + len(LLAMA),
        "bos_token_id": ids["<|begin_of_text|>"],
        "eos_token_id": ids["<|eot_id|>"],
        "pad_token_id": ids["<|end_of_text|>"],
    }
    image = ids[LLAMA[2]]
    config = {
        **base.config,
        "image_token_index": image,
        "image_seq_length": IMAGE_TOKENS,
        "text_config": text,
        "vision_config": VISION,
    }
    tokens = {token: ids.get(token, image) for token in base.tokens}
    rule = replace(base.image, side=3 * 56, tokens=IMAGE_TOKENS)
    return replace(base, config=config, tokens=tokens, image=rule)


def original_config(base: Base) -> dict[str, Any]:
    """`config.json` as the original code writes it."""
    text = base.config["text_config"]
    rows = text["vocab_size"] - (base.original == "llava_mistral")
    return {
        "architectures": ["Llava..."],
        "model_type": base.original,
        **SIZES,
        "vocab_size": rows,
        "hidden_act": "silu",
        "rms_norm_eps": text["rms_norm_eps"],
        "rope_theta": text["rope_parameters"]["rope_theta"],
        "sliding_window": None if base.original == "llava_mistral" else 512,
        **({} if base.original == "llava_mistral" else {"use_sliding_window": False, "max_window_layers": 3}),
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "bos_token_id": text["bos_token_id"],
        "eos_token_id": text["eos_token_id"],
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        **({"s2": True} if base.scales > 1 else {}),
        "mm_hidden_size": 32 * base.scales,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "image_aspect_ratio": "pad",
        "tokenizer_model_max_length": 500,
        "vision_backbone": "convnextlarge",
    }


def original_tensors(base: Base, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights by their original names, in bfloat16, in the order of their modules."""
    torch.manual_seed(seed)
    named = {
        **_language(base).state_dict(),
        **{f"{TOWER}{name}": one for name, one in _tower().state_dict().items()},
        f"{PROJECTOR}0.weight": torch.empty(40, 32 * base.scales),
        f"{PROJECTOR}0.bias": torch.empty(40),
        f"{PROJECTOR}2.weight": torch.empty(40, 40),
        f"{PROJECTOR}2.bias": torch.empty(40),
    }
    return {name: torch.randn(one.shape).mul(0.2).bfloat16() for name, one in named.items()}


def write_original(
    base: Base,
    folder: Path,
    tensors: Mapping[str, torch.Tensor] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """A checkpoint of some shards, in which layers straddle, with its index, configuration and tokenizer."""
    folder.mkdir(parents=True)
    tensors = original_tensors(base) if tensors is None else tensors
    names = list(tensors)
    index = {}
    for number in range(SHARDS):
        file = f"model-{number + 1:05}-of-{SHARDS:05}.safetensors"
        some = names[len(names) * number // SHARDS : len(names) * (number + 1) // SHARDS]
        save_file({name: tensors[name].contiguous() for name in some}, folder / file)
        index |= dict.fromkeys(some, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (folder / "config.json").write_text(json.dumps({**original_config(base), **(config or {})}))
    if base.original == "llava_mistral":
        (folder / "tokenizer.model").write_bytes(tokenizer_model())
        said = {"add_bos_token": True, "bos_token": "<s>", "unk_token": {"content": "<unk>"}}
        (folder / "tokenizer_config.json").write_text(json.dumps(said))
    else:
        added = LLAMA if base.original == "llava_llama" else ("<|endoftext|>",)
        _byte_tokenizer(added).save(str(folder / "tokenizer.json"))
    return folder


def reference_logits(
    base: Base, folder: Path, pixels: torch.Tensor, before: Sequence[int], after: Sequence[int]
) -> torch.Tensor:
    """What the original code computes in float32, `(tokens, vocabulary)`: the tower's last layer but one
    without its class token, of three scales where the base has them, two linear layers with an exact GELU
    between, these in the image's place."""
    loaded = {}
    for file in folder.glob("*.safetensors"):
        loaded |= {name: one.float() for name, one in load_file(file).items()}

    def under(start: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(start): one for name, one in loaded.items() if name.startswith(start)}

    tower, language, layers = _tower(), _language(base), under(PROJECTOR)
    tower.load_state_dict(under(TOWER), strict=True)
    apart = (TOWER, PROJECTOR)
    language.load_state_dict({n: t for n, t in loaded.items() if not n.startswith(apart)}, strict=True)
    with torch.no_grad():
        if base.scales > 1:
            into = seen(tower.eval(), pixels, 56)[None]
        else:
            into = tower.eval()(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        hidden = gelu(linear(into, layers["0.weight"], layers["0.bias"]))
        image = linear(hidden, layers["2.weight"], layers["2.bias"])
        embed = language.get_input_embeddings()
        parts = [embed(torch.tensor([list(before)])), image, embed(torch.tensor([list(after)]))]
        logits: torch.Tensor = language.eval()(inputs_embeds=torch.cat(parts, dim=1)).logits[0]
    return logits


def _tower() -> Any:
    return CLIPVisionModel(CLIPVisionConfig(**VISION))


def _language(base: Base) -> Any:
    declared = base.config["text_config"]
    rows = declared["vocab_size"] - (base.original == "llava_mistral")
    settings = {key: value for key, value in declared.items() if key not in ("model_type", "architectures")}
    config = AutoConfig.for_model(declared["model_type"], **{**settings, "vocab_size": rows})
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def _pieces() -> list[tuple[str, float, int]]:
    """Text, score and kind of each piece of the tiny `tokenizer.model`."""
    letters = ["▁", *(chr(code) for code in range(33, 127))]
    return [
        ("<unk>", 0.0, 2),
        ("<s>", 0.0, 3),
        ("</s>", 0.0, 3),
        *((f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)),
        *((word, -float(place), 1) for place, word in enumerate(_WORDS)),
        *((letter, -1000.0 - place, 1) for place, letter in enumerate(letters)),
    ]


def tokenizer_model(*, kind: int = 2) -> bytes:
    """A SentencePiece file: protocol buffers, written by hand; kind 2 is byte pairs."""

    def field(number: int, content: bytes) -> bytes:
        return _varint(number << 3 | 2) + _varint(len(content)) + content

    def number(place: int, value: int) -> bytes:
        return _varint(place << 3) + _varint(value)

    pieces = b"".join(
        field(1, field(1, text.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", score) + number(3, type_))
        for text, score, type_ in _pieces()
    )
    trainer = field(2, number(3, kind) + number(35, 1))
    normalizer = field(3, field(1, b"identity") + number(3, 1) + number(4, 0))
    return pieces + trainer + normalizer


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _byte_tokenizer(added: Sequence[str]) -> Tokenizer:
    letters = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(letters, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    return tokenizer
