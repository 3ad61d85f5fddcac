"""A log of who did what on an embedded Hub: one JSON object a line, without tokens and without contents.

Each line is on disk before its caller hears of it. The file is opened anew for every line, so it can be moved
away at any time. Knows nothing of HTTP.
"""

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from zoo.errors import BadInput


class Audit:
    """A file to which lines are appended."""

    def __init__(self, path: Path) -> None:
        """Raises: BadInput: the file cannot be written."""
        self._path = path
        self._lock = threading.Lock()
        try:
            os.close(self._open())
        except OSError as error:
            raise BadInput(f"the audit log {path} cannot be written: {error.strerror}") from None

    def write(self, **facts: object) -> None:
        """Append a line with the time, UTC, in front. Raises: OSError."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts})
        with self._lock:
            handle = self._open()
            try:
                os.write(handle, f"{line}\n".encode())
                os.fsync(handle)
            finally:
                os.close(handle)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
