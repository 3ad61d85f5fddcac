"""Named tensors that are dear to make and cheap to keep: in memory up to a bound, on disk up to another.

Knows nothing of what they are. What comes first is kept; what does not fit is not, and nothing that is kept
makes room: a run reads everything once an epoch, and of such a round the newest entries are the last to be
asked for again. A folder may be shared by processes and runs.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load, save
from tqdm import tqdm

from zoo.errors import BadInput
from zoo.vlm.record_file import RecordFile

Tensors = Mapping[str, torch.Tensor]

_NAME = "tensors-1"
"""The number goes up whenever the code would make other tensors of the same keys, or keep them otherwise."""


class TensorStore:
    """Groups of tensors by key, in the dtype that they came with, on the CPU."""

    def __init__(
        self, folder: Path | None = None, *, memory_bytes: int = 2 << 30, disk_bytes: int = 20 << 30
    ) -> None:
        """Without a folder nothing is written.

        Raises:
            BadInput: the folder is open to others.
        """
        self._folder, self._memory_bytes, self._disk_bytes = folder, memory_bytes, disk_bytes
        self._said = set[str]()
        self._file: RecordFile | None = None
        if folder is not None:
            _make_private(folder)
            self._file = RecordFile(folder / _NAME, most_bytes=disk_bytes, report=self._say)
        self._held: dict[str, Tensors] = {}
        self._held_bytes = 0
        self._written = folder is not None

    def get(self, key: str) -> Tensors | None:
        """The tensors of that key, which the caller may not change; None where they are not kept."""
        if key in self._held:
            return self._held[key]
        body = self._file.get(key) if self._file else None
        if body is None:
            return None
        tensors = load(body)
        self._hold(key, tensors)
        return tensors

    def put(self, found: Mapping[str, Tensors]) -> None:
        """Keep what fits; a kill in the middle loses entries, never parts of one."""
        own = {key: {name: _own(one) for name, one in tensors.items()} for key, tensors in found.items()}
        held = [self._hold(key, tensors) for key, tensors in own.items()]
        fits = all(held)
        if self._file and self._written:
            try:
                fits = self._file.put((key, save(dict(tensors))) for key, tensors in own.items())
            except OSError as error:
                self._written = False
                self._say(
                    f"{self._folder} takes no more: {error.strerror}; nothing is added to it from here on"
                )
        if not fits:
            self._say(self._what_is_full())

    def _hold(self, key: str, tensors: Tensors) -> bool:
        """Hold it in memory if there is room."""
        if key not in self._held:
            size = sum(tensor.nbytes for tensor in tensors.values())
            if self._held_bytes + size > self._memory_bytes:
                return False
            self._held[key] = tensors
            self._held_bytes += size
        return True

    def _what_is_full(self) -> str:
        if not self._written:
            size, more = self._memory_bytes, "--cache DIR keeps it on disk"
            return f"{size / 2**30:.3g} GiB of memory are full; what is beyond is made anew each time; {more}"
        full = f"{self._folder} is full, {self._disk_bytes / 2**30:.3g} GiB"
        return f"{full}; what is beyond memory too is made anew each time; --cache-gb raises the bound"

    def _say(self, what: str) -> None:
        """Tell the operator, once."""
        if what not in self._said:
            self._said.add(what)
            tqdm.write(f"cache: {what}", file=sys.stderr)


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """A copy on the CPU that keeps no larger tensor alive."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode & 0o777
    if mode & 0o077:
        raise BadInput(
            f"{folder} is open to others (mode {mode:o}), and features of images are to be kept there",
            hint=f"chmod 700 {folder}, or name a folder that is not there yet",
        )
