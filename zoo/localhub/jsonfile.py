"""A small JSON file that is read and replaced whole. Knows nothing of what is in it."""

import json
import os
from pathlib import Path
from typing import Any

from zoo.localhub.disk import force_to_disk


def read(path: Path) -> Any:
    """What the file holds; None if there is no such file.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: Path, data: object) -> None:
    """Put `data` into the file, on disk, in one step; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    force_to_disk([path])
