"""Tensors in memory or in a file of `torch.save`: read without running code, written as pieces of a shard."""

import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from zoo.errors import BadInput
from zoo.vlm.shards import PART_BYTES, Piece

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""By safetensors' names."""


def read_pickle(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file that `torch.save` wrote, by name, left on the disk where that can be; nothing
    but tensors is read.

    Raises:
        BadInput: it holds other things, or cannot be read.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise BadInput(f"{path} holds more than tensors, or is not whole: {first}") from None
    if not isinstance(found, dict) or not all(isinstance(one, torch.Tensor) for one in found.values()):
        raise BadInput(f"{path} holds no tensors by name")
    return found


def piece_of_tensor(name: str, tensor: torch.Tensor) -> Piece:
    """What is to be written of it.

    Raises:
        BadInput: it holds no floating-point numbers of a kind that weights have.
    """
    kind = next((kind for kind, dtype in DTYPES.items() if dtype == tensor.dtype), None)
    if kind is None:
        raise BadInput(f"{name} holds {tensor.dtype}; weights are {', '.join(DTYPES)}")
    return Piece(kind, tuple(tensor.shape), partial(_bytes, tensor))


def _bytes(tensor: torch.Tensor) -> Iterator[bytes]:
    flat = tensor.contiguous().flatten().view(torch.uint8)
    for start in range(0, len(flat), PART_BYTES):
        yield flat[start : start + PART_BYTES].numpy().tobytes()
