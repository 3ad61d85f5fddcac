"""A run's metrics on disk, a line a step, and for TensorBoard on request. Knows nothing of what they mean."""

import json
import math
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from zoo.errors import BadInput
from zoo.manifest import LOG_NAME
from zoo.run_log import read_log

TENSORBOARD_NAME = "tensorboard"
"""Folder of TensorBoard's files in that of the run."""
_GROUPS = ("loss", "reward", "margin", "accuracy")
"""First words of metrics that TensorBoard shows side by side."""
_NOT_METRICS = ("step", "of")


class StepLog:
    """Metrics of a run as JSON lines, one a step, and an event where the run goes on after a stop."""

    def __init__(self, folder: Path, *, done: int, tensorboard: bool = False) -> None:
        """Go on behind the `done` steps of the folder's log; what it says of later ones is to come again.

        Raises:
            BadInput: TensorBoard is asked for and not installed.
        """
        self._path = folder / LOG_NAME
        kept = read_log(folder, done=done)
        part = self._path.with_name(LOG_NAME + ".part")
        part.write_text("".join(_line(entry) for entry in kept), encoding="utf-8")
        os.replace(part, self._path)
        self._writer = _summary_writer(folder / TENSORBOARD_NAME) if tensorboard else None
        for entry in kept:
            self._show(entry)
        if done:
            self.write({"event": "resumed", "step": done})

    def __enter__(self) -> "StepLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line; every entry has a `step`. A number that is not finite becomes null."""
        entry = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in entry.items()}
        with self._path.open("a", encoding="utf-8") as out:
            out.write(_line(entry))
        self._show(entry)

    def close(self) -> None:
        """End TensorBoard's file; the log itself is whole after every line."""
        if self._writer is not None:
            self._writer.close()

    def _show(self, entry: dict[str, Any]) -> None:
        """The same numbers to TensorBoard."""
        if self._writer is None or "event" in entry:
            return
        for name, value in entry.items():
            if name not in _NOT_METRICS and value is not None:
                group, _, rest = name.partition("_")
                tag = f"{group}/{rest}" if rest and group in _GROUPS else name
                self._writer.add_scalar(tag, value, entry["step"])


def need_tensorboard() -> None:
    """See that TensorBoard's files can be written.

    Raises:
        BadInput: it is not installed.
    """
    if find_spec("tensorboard") is None:
        raise BadInput("TensorBoard is not installed", hint="pip install 'medvlm-zoo[tensorboard]'")


def _summary_writer(folder: Path) -> Any:
    """A writer into an empty folder: what the log holds is written anew, so that a resumed run has no point
    twice, and a TensorBoard that is open meanwhile forgets what it has read."""
    need_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    return SummaryWriter(folder, purge_step=1, flush_secs=10)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
