"""Tensors in the bytes of a safetensors file, none of them copied. Knows no LoRA.

A file is read, never mapped: one that shrinks under a map kills the process that reads it. What the header
says is believed only where it accounts for every byte of the file.
"""

import json
import math
import os
import struct
from collections import Counter
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.errors import BrokenWeights

HEADER_LIMIT = 2 * 2**20
"""Most bytes of a header: thirty times that of an adapter of seven billion parameters."""
_PART = 8 * 2**20
"""Bytes read at a time."""
_DIMENSIONS = 8
_LENGTH = struct.Struct("<Q")
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_whole(path: Path, on_part: Callable[[memoryview], object], *, most: int) -> memoryview:
    """The bytes of a file of at most `most` bytes; `on_part` is given each part as it comes, in order.

    Raises:
        BrokenWeights: it is larger, or became shorter or longer while it was read, or cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise BrokenWeights(
                    f"{path}: {size} bytes, and no adapter for this base has more than {most}"
                )
            content = np.empty(size + 1, np.uint8).data  # not zeroed first, as a bytearray is
            done = 0
            while got := file.readinto(content[done : done + _PART]):
                on_part(content[done : done + got])
                done += got
    except OSError as error:
        raise BrokenWeights(f"{path}: cannot be read ({error})") from error
    if done != size:
        raise BrokenWeights(f"{path}: {done} bytes came of a file of {size}; it changes while it is read")
    return content[:size]


def tensors_in(
    content: memoryview, *, where: str, check: Callable[[Set[str]], object] = lambda names: None
) -> dict[str, torch.Tensor]:
    """The tensors by name, which lie in `content`, in the file's precision. `check` is given all names before
    anything is made of them, and may raise.

    Raises:
        BrokenWeights: anything but a whole safetensors file of floating-point tensors.
    """
    try:
        header, data = _header(content)
        check(header.keys())
        return _tensors(header, data)
    except _Wrong as wrong:
        raise BrokenWeights(f"{where}: not a readable safetensors file ({str(wrong)[:300]})") from wrong


class _Wrong(Exception):
    """What is wrong with the bytes."""


def _header(content: memoryview) -> tuple[dict[str, Any], memoryview]:
    """The header, and the bytes after it."""
    if len(content) < _LENGTH.size:
        raise _Wrong(f"{len(content)} bytes in all")
    (length,) = _LENGTH.unpack_from(content)
    start = _LENGTH.size + length
    if length > HEADER_LIMIT or start > len(content):
        raise _Wrong(f"a header of {length} bytes in a file of {len(content)}")
    try:
        text = str(content[_LENGTH.size : start], "utf-8")
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"its header is no JSON: {error}") from error
    if not text.startswith("{"):
        raise _Wrong("its header is no JSON object")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise _Wrong("its __metadata__ is not made of texts")
    return header, content[start:]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise _Wrong(f"{name} is there twice")
    return found


def _tensors(header: dict[str, Any], data: memoryview) -> dict[str, torch.Tensor]:
    places = {name: _place(name, entry) for name, entry in header.items()}
    found, end = {}, 0
    for name, (dtype, shape, first, last) in sorted(places.items(), key=lambda item: item[1][2:]):
        if first != end:
            raise _Wrong(f"{name} begins at byte {first}, and what lies before it ends at {end}")
        if last - first != math.prod(shape) * dtype.itemsize:
            raise _Wrong(f"{name} has {last - first} bytes for {dtype} of the shape {shape}")
        if last > len(data):
            raise _Wrong(f"{name} ends at byte {last} of {len(data)}: the file is cut off")
        end = last
        found[name] = _view(data[first:last], dtype).view(shape)
    if end != len(data):
        raise _Wrong(f"{len(data) - end} bytes that belong to no tensor")
    return found


def _place(name: str, entry: Any) -> tuple[torch.dtype, tuple[int, ...], int, int]:
    """Precision, shape, first byte and the byte after the last of a tensor."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _Wrong(f"{name} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise _Wrong(f"{name} holds {dtype!r}; known are {', '.join(_DTYPES)}")
    if not _counts(shape, most=_DIMENSIONS) or not _counts(offsets, most=2) or len(offsets) < 2:
        raise _Wrong(f"{name} has the shape {shape!r} and the offsets {offsets!r}")
    return _DTYPES[dtype], tuple(shape), offsets[0], offsets[1]


def _counts(found: Any, *, most: int) -> bool:
    """True for a list of at most that many whole numbers that a file can hold."""
    if not isinstance(found, list) or len(found) > most:
        return False
    return all(type(number) is int and 0 <= number < 2**63 for number in found)


def _view(data: memoryview, dtype: torch.dtype) -> torch.Tensor:
    if not len(data):
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype)
