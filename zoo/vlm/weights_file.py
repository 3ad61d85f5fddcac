"""Tensors in the bytes of a safetensors file, none of them copied. Knows no LoRA.

A file is read, never mapped: one that shrinks under a map kills the process that reads it.
"""

import os
from collections.abc import Callable, Set
from pathlib import Path

import numpy as np
import torch

from zoo.errors import BrokenWeights
from zoo.tensor_header import LENGTH_BYTES, BadHeader, header_bytes, parse_header, places

HEADER_LIMIT = 2 * 2**20
"""Most bytes of a header: thirty times that of an adapter of seven billion parameters."""
_PART = 8 * 2**20
"""Bytes read at a time."""
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_ITEM_BYTES = {name: dtype.itemsize for name, dtype in _DTYPES.items()}


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
        size = header_bytes(content[:LENGTH_BYTES], size=len(content), most=HEADER_LIMIT)
        header = parse_header(content[LENGTH_BYTES : LENGTH_BYTES + size])
        check(header.keys())
        data = content[LENGTH_BYTES + size :]
        found = places(header, data=len(data), item_bytes=_ITEM_BYTES)
    except BadHeader as wrong:
        raise BrokenWeights(f"{where}: not a readable safetensors file ({str(wrong)[:300]})") from wrong
    return {
        name: _view(data[place.first : place.last], _DTYPES[place.dtype]).view(place.shape)
        for name, place in found.items()
    }


def _view(data: memoryview, dtype: torch.dtype) -> torch.Tensor:
    if not len(data):
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype)
