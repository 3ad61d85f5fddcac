"""The folder of a cluster of this machine, which goes with it; at the latest when the next one starts.

Who made one keeps a lock on a file in it, which the kernel lets go of however the process ends. So a folder
whose lock is free is one that a killed process has left.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_OWNER = "owner"


def make(*, inside: str = "/tmp") -> tuple[str, Callable[[], None]]:
    """A folder of this process alone and what removes it. What killed processes of this user left is swept
    before. Its path is short: sockets lie in it."""
    _sweep(Path(inside))
    folder = Path(tempfile.mkdtemp(prefix="mz-", dir=inside))
    held = (folder / "new").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    (folder / "new").rename(folder / _OWNER)  # with its lock, or another start might take it for left

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        held.close()

    return str(folder), remove


def _sweep(inside: Path) -> None:
    for owner in inside.glob(f"mz-*/{_OWNER}"):
        with suppress(OSError):  # one that is held, or was just removed
            folder = owner.parent.lstat()
            if folder.st_uid != os.geteuid() or not stat.S_ISDIR(folder.st_mode) or owner.is_symlink():
                continue
            with owner.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(owner.parent, ignore_errors=True)
