"""Builds a stand-in of a base: its exact architecture and the names of its files' tensors, random weights.

For trying the whole chain, and for measuring speed and memory, where the real weights are not. What it says
means nothing. Unless it is asked for in true size its layers are few and narrow; what makes its architecture
stays: how images become tokens, the tokens' ids, grouped queries, wide heads, biases, a tied head, windows,
deep features of the tower. Of a base whose layout on the Hub has to be converted it is what the conversion
gives. One tensor is in memory at a time. It proves nothing about the real weights.
"""

import zlib
from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from tqdm import tqdm
from transformers import AutoConfig
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm

from zoo.bases import Base
from zoo.errors import BadInput
from zoo.vlm.builders import stand_in_files as files
from zoo.vlm.names import file_name
from zoo.vlm.shards import Piece, finish, write_shards

LAYERS, HEAD, GROUPS, EYES = 4, 8, 2, 32
"""Of a small stand-in: layers, width of a head, key-value heads, width of the tower."""
WINDOW, PATTERN = 64, 3
"""Tokens that a sliding layer of a small stand-in sees; every so many layers one sees all."""
SPREAD, TIED_SPREAD = 1.5, 0.5
"""Of a row's numbers, times the root of their count; less where embeddings are the head too, which would say
again what it just read."""
SHARDS, SHARD_BYTES = 3, 2 * 10**9
"""Shards of a small stand-in, about; most bytes of a true one's."""


def build_stand_in(base: Base, folder: Path, *, true_size: bool = False, seed: int = 0) -> None:
    """Write a checkpoint of `base` with random weights in bfloat16 into `folder`, showing progress; begun
    again after a kill it goes on.

    Raises:
        BadInput: nothing says how the base is built, the folder holds something else, or the disk has no
            room.
    """
    if not base.config:
        raise BadInput(f"nothing is said of the architecture of {base.name}, so nothing can stand in for it")
    config = deepcopy(dict(base.config)) if true_size else small_config(base)
    words = files.place_words(base)
    if config["model_type"] == "llava":
        config["image_token_index"] = words.image
    made = AutoConfig.for_model(**config)
    made.dtype = torch.bfloat16
    with torch.device("meta"):
        model: Any = getattr(transformers, config["architectures"][0])._from_config(made)
    pieces = dict(_pieces(model, words, seed))
    size = sum(piece.nbytes for piece in pieces.values())
    with tqdm(total=2 * size, desc=f"{base.name} of random weights", unit="B", unit_scale=True) as bar:
        write_shards(
            folder,
            pieces,
            origin=f"stand-in of {base.name}, seed {seed}",
            max_bytes=SHARD_BYTES if true_size else size // SHARDS + 1,
            count=bar.update,
        )
    made.save_pretrained(folder)
    files.write_tokenizer(base, words, folder)
    files.write_processor(base, config, folder)
    files.write_generation_config(base, words, folder)
    files.write_card(base, folder, parameters=size // 2, seed=seed)
    finish(folder)


def small_config(base: Base) -> dict[str, Any]:
    """The base's `config` with few and narrow layers; images become as many tokens as ever, and the
    vocabulary keeps its rows."""
    config = deepcopy(dict(base.config))
    text, eyes = config["text_config"], config["vision_config"]
    heads, groups = text["num_attention_heads"], text["num_key_value_heads"]
    width = heads * text.get("head_dim", text["hidden_size"] // heads)
    few = GROUPS * heads // groups
    hidden = text["hidden_size"] * few * HEAD // width
    text |= {
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": few,
        "num_key_value_heads": GROUPS,
    }
    if "head_dim" in text:
        text["head_dim"] = HEAD
    if "sliding_window_pattern" in text:
        text |= {"sliding_window": WINDOW, "sliding_window_pattern": PATTERN}
    if section := text["rope_parameters"].get("mrope_section"):
        _, *others = (part * HEAD // 2 // sum(section) for part in section)
        text["rope_parameters"]["mrope_section"] = [HEAD // 2 - sum(others), *others]
    small = {
        "hidden_size": EYES,
        "intermediate_size": 2 * EYES,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "depth": LAYERS,
        "num_heads": 2,
        "out_hidden_size": hidden,
        "fullatt_block_indexes": [1, 3],
        "deepstack_visual_indexes": [0, 1, 2],
    }
    eyes |= {key: value for key, value in small.items() if key in eyes}
    return config


def _pieces(model: Any, words: files.Words, seed: int) -> Iterator[tuple[str, Piece]]:
    """A meta model's tensors by their names in files; a tied head is in the files once."""
    tied = model.config.tie_word_embeddings
    for place, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            full = f"{place}.{name}"
            if tied and full == "lm_head.weight":
                continue
            rows, spread = None, SPREAD
            if module in (model.lm_head, model.get_input_embeddings()):
                rows = words.said if tied or module is model.lm_head else words.known
                spread = TIED_SPREAD if tied else SPREAD
            own = zlib.crc32(full.encode()) ^ seed
            drawn = partial(_draw, module, parameter.shape, rows, spread=spread, seed=own)
            yield file_name(full, model.config.model_type), Piece("BF16", tuple(parameter.shape), drawn)


def _draw(
    module: Any, shape: torch.Size, rows: list[int] | None, *, spread: float, seed: int
) -> Iterable[bytes]:
    """The bytes of a tensor that leaves its input's scale about as it is. Of a vocabulary only some rows are
    not zero, so that what it says can be read."""
    generator = torch.Generator().manual_seed(seed)
    if len(shape) == 1:
        is_norm = "Norm" in type(module).__name__ and not isinstance(module, Gemma3RMSNorm)  # Gemma's add 1
        found = torch.empty(shape, dtype=torch.bfloat16).normal_(float(is_norm), 0.1, generator=generator)
    elif rows is None:
        std = spread / shape[1:].numel() ** 0.5
        found = torch.empty(shape, dtype=torch.bfloat16).normal_(std=std, generator=generator)
    else:
        found = torch.zeros(shape, dtype=torch.bfloat16)
        found[rows] = (
            torch.randn(len(rows), shape[1], generator=generator) * spread / shape[1] ** 0.5
        ).bfloat16()
    yield found.view(torch.uint8).numpy().tobytes()
