"""Checkpoints that are spoilt, and what a check says of them, for tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from zoo.checks import Check


def faults(checks: dict[str, Check]) -> list[tuple[str, str, str]]:
    return [(one.name, fault.what, fault.value) for one in checks.values() for fault in one.faults]


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """All tensors in one file, changed."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
        path.unlink()
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})
