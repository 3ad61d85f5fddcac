"""A tokenizer of the `tokenizers` library from a `tokenizer.model` of SentencePiece, the byte-pair kind.

The file is a protocol buffer, of which the few fields that matter are read here: pieces with their scores and
kinds, and how texts are normalised
(google/sentencepiece:src/sentencepiece_model.proto). It knows no base.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from zoo.errors import BadInput

_SPACE = "\u2581"
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_BPE = 2


def read_sentencepiece(path: Path) -> Tokenizer:
    """A tokenizer with the same ids, where a blank is put before each text and each part of a text behind a
    special token, as Llama's first tokenizers do.

    Raises:
        BadInput: it is no such file, or of a kind other than byte pairs with bytes to fall back on.
    """
    try:
        pieces, trainer, normalizer = _read(path.read_bytes())
    except (ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no tokenizer.model of SentencePiece ({error})") from None
    kind, bytes_too = trainer.get(3, 1), trainer.get(35, 0)
    blank_first, squeezes = normalizer.get(3, 1), normalizer.get(4, 1)
    if (kind, bytes_too, blank_first, squeezes) != (_BPE, 1, 1, 0):
        raise BadInput(
            f"{path}: model_type, byte_fallback, add_dummy_prefix, remove_extra_whitespaces are "
            f"{(kind, bytes_too, blank_first, squeezes)}, and only {(_BPE, 1, 1, 0)} can be converted"
        )
    ids = {text: number for number, (text, _, _) in enumerate(pieces)}
    unknown = next(text for text, _, kind in pieces if kind == _UNKNOWN)
    tokenizer = Tokenizer(
        models.BPE(ids, _merges(pieces, ids), unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(_SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    markers = [text for text, _, kind in pieces if kind in (_UNKNOWN, _CONTROL)]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in markers])
    return tokenizer


Entry = tuple[str, float, int]


def _merges(pieces: list[Entry], ids: dict[str, int]) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, the piece with the best score first."""
    found: list[tuple[float, int, int, tuple[str, str]]] = []
    for text, score, kind in pieces:
        if kind != _NORMAL:
            continue
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in ids and right in ids:
                found.append((-score, ids[left], ids[right], (left, right)))
    return [pair for *_, pair in sorted(found)]


def _read(content: bytes) -> tuple[list[Entry], dict[int, int], dict[int, int]]:
    pieces: list[Entry] = []
    numbers: dict[int, dict[int, int]] = {2: {}, 3: {}}
    for field, value in _fields(content):
        if field == 1 and isinstance(value, bytes):
            text, score, kind = "", 0.0, _NORMAL
            for inner, found in _fields(value):
                if inner == 1 and isinstance(found, bytes):
                    text = found.decode()
                elif inner == 2 and isinstance(found, bytes):
                    (score,) = struct.unpack("<f", found)
                elif inner == 3 and isinstance(found, int):
                    kind = found
            pieces.append((text, score, kind))
        elif field in numbers and isinstance(value, bytes):
            numbers[field] = {inner: found for inner, found in _fields(value) if isinstance(found, int)}
    if not pieces or not any(kind == _UNKNOWN for _, _, kind in pieces):
        raise ValueError("it holds no pieces")
    return pieces, numbers[2], numbers[3]


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message; numbers of fixed width as their bytes."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(content, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of the kind {kind}")
        if at + length > len(content):
            raise ValueError("it is cut off")
        yield key >> 3, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
