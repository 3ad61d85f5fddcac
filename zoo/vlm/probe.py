"""What this machine's device can do: its memory, and two rates from a second's trial. Knows no base."""

import time
from collections.abc import Callable
from functools import cache

import torch

from zoo.vlm.precision import choose_device, choose_dtype

_SIDE = {"cpu": 1024, "cuda": 8192}
"""Rows and columns of the matrices that are multiplied."""
_BYTES = 256 << 20
_TRIALS = 5


def gpu_bytes() -> int | None:
    """Memory of the GPU that a base would come to lie on; None where that is the CPU."""
    place = choose_device("auto")
    return torch.cuda.get_device_properties(place).total_memory if place.type == "cuda" else None


@cache
def measured_rates(dtype: str) -> tuple[float, float]:
    """Operations a second of a product of two large matrices, and bytes a second that are read, at best."""
    place = choose_device("auto")
    side = _SIDE[place.type]
    one, other = torch.randn(2, side, side, device=place).to(choose_dtype(dtype, place))
    long = torch.ones(_BYTES // 4, device=place)
    return 2 * side**3 / _best(lambda: one @ other), _BYTES / _best(lambda: long.sum())


def _best(work: Callable[[], torch.Tensor]) -> float:
    """Seconds of the quickest trial but the first."""
    took = []
    for _ in range(_TRIALS):
        began = time.perf_counter()
        work().flatten()[0].item()  # waits for the device
        took.append(time.perf_counter() - began)
    return min(took[1:])
