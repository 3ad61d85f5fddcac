"""A folder in which one run at a time works: two of the same would write over each other's files.

Such as `srun` starts without a launcher, one a task. Knows nothing of what they work on.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import BadInput

LOCK_NAME = ".running"


@contextmanager
def alone(folder: Path, *, doing: str = "training into") -> Iterator[None]:
    """Hold a folder, which is made; one that nothing came into is taken away again. On a disk without locks
    nobody is kept out. `doing` tells people what the other process is at.

    Raises:
        BadInput: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"another process is {doing} {folder}",
                hint="wait for it, or choose another --out; several processes on one run: docs/scale.md",
            ) from None
        except OSError:
            pass
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()
