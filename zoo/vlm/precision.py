"""Where a base lies and in what precision it computes. Knows no family, no quantisation and no file."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from zoo.errors import BadInput, UnknownName

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is this process's GPU where torch can use one, else the CPU.

    Raises:
        BadInput: torch knows no such device, or cannot use it here.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        own = int(os.environ.get("LOCAL_RANK", "0"))  # set by a launcher of several processes
        return torch.device("cuda", own % gpus) if gpus else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadInput(f"{name!r} is no device", hint="--device auto, cpu, cuda or cuda:0") from None
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise BadInput(
            f"device {name}: torch {torch.__version__} can use {gpus} GPUs here", hint="--device cpu"
        )
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision of that name; `auto` is bfloat16 on a GPU that computes in it, else float32.

    Raises:
        UnknownName: it is none of `DTYPES`.
    """
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float32
    if name not in DTYPES:
        raise UnknownName("dtype", name, ("auto", *DTYPES))
    return DTYPES[name]


def settled(how: Mapping[str, Any], *, on_gpu: bool) -> dict[str, Any]:
    """What `load_base` is told beside the base, with nothing left to choose for each of several processes,
    which have a GPU of their own each or none."""
    device, dtype = torch.device("cuda" if on_gpu else "cpu"), how["dtype"]
    if dtype == "auto" and on_gpu and not torch.cuda.is_available():
        dtype = "bfloat16"  # this machine has no GPU to ask
    name = str(choose_dtype(dtype, device)).removeprefix("torch.")
    return {**how, "device": device.type, "dtype": name}


def in_words(how: Mapping[str, Any]) -> str:
    """The `VisionLanguageModel.precision` of a base that is loaded so; `how` is settled."""
    return f"{how['dtype']} {how['quantize'] or ''}".rstrip()
