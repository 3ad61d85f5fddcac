"""The unfinished work of a build on disk: states by name, each written whole or not at all, for one recipe.

So a build that was killed goes on where it was. It knows nothing of what is built.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zoo.errors import BadInput

_IDENTITY, _MINUTES = "identity.json", "minutes"


class Workshop:
    """A folder of states, made for one identity."""

    def __init__(self, folder: Path, identity: Mapping[str, object], *, every_s: float) -> None:
        """A state is due `every_s` seconds after the last one.

        Raises:
            BadInput: the folder is of another build.
        """
        self.folder = folder
        self._every_s, self._began = every_s, time.monotonic()
        self._saved = self._began
        folder.mkdir(parents=True, exist_ok=True)
        kept, mine = folder / _IDENTITY, json.dumps(identity, sort_keys=True)
        if kept.exists() and kept.read_text(encoding="utf-8") != mine:
            raise BadInput(
                f"{folder} holds the unfinished work of another build: other data, numbers or language model",
                hint=f"rm -r {folder}, or build with the same arguments",
            )
        self._write(_IDENTITY, mine)
        spent = folder / _MINUTES
        self._before = float(spent.read_text(encoding="utf-8")) if spent.exists() else 0.0

    @property
    def minutes(self) -> float:
        """Spent on the build so far, all tries together; of a try that was killed, up to its last state."""
        return self._before + (time.monotonic() - self._began) / 60

    def load(self, name: str) -> dict[str, Any] | None:
        """The state of that name, or None."""
        path = self.folder / f"{name}.pt"
        if not path.exists():
            return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state

    def save(self, name: str, state: Mapping[str, Any]) -> None:
        """Write a state in the place of an earlier one."""
        draft = self.folder / f"{name}.draft"
        with draft.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / f"{name}.pt")
        self._write(_MINUTES, f"{self.minutes:.3f}")
        self._saved = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is time to write what has been done since the last state."""
        return time.monotonic() - self._saved >= self._every_s

    def _write(self, name: str, text: str) -> None:
        draft = self.folder / f"{name}.draft"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.folder / name)
