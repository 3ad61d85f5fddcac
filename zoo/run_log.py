"""The log of a training run, read: a line of JSON a step, and an event where it went on after a stop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.manifest import LOG_NAME

Floats = npt.NDArray[np.float64]


def read_log(folder: Path, *, done: int | None = None) -> list[dict[str, Any]]:
    """The entries of a folder's log, those of steps after `done` left out; none where there is no log."""
    path = folder / LOG_NAME
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    entries = [entry for line in lines if (entry := _entry(line))]
    return [entry for entry in entries if done is None or entry["step"] <= done]


def smoothed(values: Floats, window: int) -> Floats:
    """Means over `window` values around each, over fewer at the ends; values that are nan are left out."""
    known, around = np.isfinite(values), np.ones(window)
    sums = np.convolve(np.where(known, values, 0.0), around, mode="same")
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.convolve(known, around, mode="same"))


def _entry(line: str) -> dict[str, Any] | None:
    """A line as data; None if it is not whole, for a kill may have cut the last one."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None
