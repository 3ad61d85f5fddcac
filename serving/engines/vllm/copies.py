"""Private copies of adapters' files, of which vLLM reads. Knows no vLLM.

vLLM reads a folder anew whenever it has let go of an adapter, without a word, and ends if the folder is gone.
So it is shown none that another program changes, and a copy outlives its last use for a while.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from zoo.errors import DigestMismatch
from zoo.manifest import CONFIG_NAME, WEIGHTS_NAME
from zoo.vlm.weights import AdapterFiles


class Copies:
    """A directory of its own with a folder for each adapter, named by the digest of all that is in it."""

    def __init__(self, parent: Path | None, *, most: int) -> None:
        """`parent` is a directory that vLLM sees under the same path, None this machine's temporary one; at
        most `most` copies are kept beside those in use."""
        self._root = Path(tempfile.mkdtemp(prefix="medzoo-vllm-", dir=parent)).resolve()
        if parent is not None:
            self._root.chmod(0o755)  # vLLM may run as somebody else there
        self._most = most
        self._kept: dict[Path, None] = {}
        """The one used last is last."""

    def put(self, content: AdapterFiles, *, in_use: Collection[Path]) -> Path:
        """The folder that holds these files; the copies used longest ago give way."""
        folder = self._root / _digest(content.config, content.weights)
        if folder not in self._kept:
            partial = self._root / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for name, some in ((CONFIG_NAME, content.config), (WEIGHTS_NAME, content.weights)):
                (partial / name).write_bytes(some)
                (partial / name).chmod(0o444)
            partial.rename(folder)
        self._kept.pop(folder, None)
        self._kept[folder] = None
        idle = [one for one in self._kept if one != folder and one not in in_use]
        for old in idle[: max(0, len(idle) - self._most)]:
            shutil.rmtree(old, ignore_errors=True)
            del self._kept[old]
        return folder

    def check(self, folder: Path) -> None:
        """Raise DigestMismatch unless a copy still holds what it held at first."""
        try:
            found = _digest((folder / CONFIG_NAME).read_bytes(), (folder / WEIGHTS_NAME).read_bytes())
        except OSError as error:
            raise DigestMismatch(f"{folder}: this server's own copy cannot be read ({error})") from error
        if found != folder.name:
            raise DigestMismatch(
                f"{folder}: this server's own copy of an adapter was changed by another program",
                hint="set MEDZOO_ENGINE_FOLDER to a directory that nothing else writes to",
            )

    def close(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._root, ignore_errors=True)


def _digest(config: bytes, weights: bytes | memoryview) -> str:
    """Over both files: the same weights under another configuration are another adapter."""
    return hashlib.sha256(hashlib.sha256(config).digest() + hashlib.sha256(weights).digest()).hexdigest()
