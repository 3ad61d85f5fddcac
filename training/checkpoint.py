"""A run's state on disk, written in one atomic step, so that a kill loses the steps since and no more."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.identity import difference
from zoo.errors import TrainingFailed

CHECKPOINT_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on bit for bit.

    The rest follows from the seed and the step: the learning rate, the place in the data, and where the
    random numbers begin. So a run may go on divided up otherwise; see `training.execution.Execution`.
    """

    settings: dict[str, Any]
    """All that decides the run's result, JSON-ready; a run with other settings refuses the checkpoint."""
    step: int
    """Steps done."""
    seconds: float
    response_tokens: int
    lora: dict[str, torch.Tensor]
    optimizer: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint over the one before it."""
    path = folder / CHECKPOINT_NAME
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        torch.save(vars(checkpoint), out)
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, path)
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)  # the name, too
    os.close(directory)


def load_checkpoint(folder: Path, settings: dict[str, Any]) -> Checkpoint | None:
    """The checkpoint of a folder, or None.

    Raises:
        TrainingFailed: it was left by a run with other settings.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        return None
    checkpoint = Checkpoint(**torch.load(path, weights_only=True, map_location="cpu"))
    if told := difference(checkpoint.settings, settings, where=folder):
        raise TrainingFailed(told, hint=f"choose another --out, or remove {path}")
    return checkpoint
