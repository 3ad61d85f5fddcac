"""A run's metrics on disk, a line a step. Knows nothing of what they mean."""

import json
import os
from pathlib import Path
from typing import Any


class StepLog:
    """Metrics of a run as JSON lines, one a step, and an event when a run goes on after a stop."""

    def __init__(self, folder: Path, *, done: int) -> None:
        self._path = folder / "log.jsonl"
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        kept = [line for line in lines if _whole(line) and json.loads(line)["step"] <= done]
        part = self._path.with_name("log.jsonl.part")
        part.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        os.replace(part, self._path)
        if done:
            self.write({"event": "resumed", "step": done})

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line."""
        with self._path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")


def _whole(line: str) -> bool:
    """Whether a line is whole: a kill may have cut the last one."""
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False
