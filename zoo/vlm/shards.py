"""Safetensors shards written piece by piece: whole or not at all, and gone on with after a kill.

Memory holds a part of one tensor. A shard has its name only once it was written, read again and found to be
what was written; a folder is finished only when `finish` was called. It knows no model: what a tensor's bytes
are, its `Piece` says.
"""

import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from zoo.errors import BadInput
from zoo.model_files import FolderFiles
from zoo.tensor_files import INDEX_NAME, SINGLE_NAME, read_tensor_files
from zoo.tensor_header import ITEM_BYTES

JOURNAL_NAME = "unfinished.json"
"""What an unfinished folder holds beside its shards; see `require_finished`."""
SHARD_BYTES = 4 * 10**9
"""Default bound of a shard, in bytes."""
PART_BYTES = 16 * 2**20
"""Bytes read or written at a time."""
Counter = Callable[[int], object]
"""Is told of bytes that were read or written, for a progress bar; a number below 0 takes some back."""


@dataclass(frozen=True)
class Piece:
    """A tensor that is to be written."""

    dtype: str
    """As safetensors names it, such as `BF16`."""
    shape: tuple[int, ...]
    parts: Callable[[], Iterable[bytes]] = field(repr=False)
    """Its bytes, in order, a part at a time."""

    @property
    def nbytes(self) -> int:
        """Bytes of the whole tensor."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


def write_shards(
    folder: Path,
    pieces: Mapping[str, Piece],
    *,
    origin: str,
    max_bytes: int = SHARD_BYTES,
    count: Counter = lambda some: None,
) -> dict[str, str]:
    """Write the pieces in their order as shards of at most `max_bytes` (one tensor may be larger), with the
    index if there are several; return the sha256 of each file. The folder stays unfinished until `finish`.

    `origin` tells what the pieces are made of; shards of an earlier run of the same are kept after they were
    read. `count` is told of each byte twice, written and read again: of `shard_work` in all.

    Raises:
        BadInput: the folder holds something else, another process writes it, the disk has no room, or a shard
            read again is not what was written.
    """
    with _alone(folder):
        return _write_all(folder, pieces, origin=origin, max_bytes=max_bytes, count=count)


def shard_work(pieces: Mapping[str, Piece], max_bytes: int = SHARD_BYTES) -> int:
    """Bytes that `write_shards` tells its counter of, for a bar that ends full."""
    return 2 * sum(_file_bytes(its) for its in _divide(pieces, max_bytes).values())


def _write_all(
    folder: Path, pieces: Mapping[str, Piece], *, origin: str, max_bytes: int, count: Counter
) -> dict[str, str]:
    shards = _divide(pieces, max_bytes)
    plan = [origin, *(f"{shard} {n} {p.dtype} {p.shape}" for shard, ns in shards.items() for n, p in ns)]
    journal = _Journal.open(folder, hashlib.sha256("\n".join(plan).encode()).hexdigest())
    for stale in folder.glob("*.part"):
        stale.unlink()
    kept = {name: digest for name, digest in journal.done.items() if _is_there(folder / name, digest, count)}
    missing = sum(piece.nbytes for name, its in shards.items() if name not in kept for _, piece in its)
    require_room(folder, missing)
    for name, its in shards.items():
        if name in kept:
            count(_file_bytes(its))  # the half that was not written again
            continue
        kept[name] = _write(folder / name, its, count)
        journal.note(name, kept[name])
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(piece.nbytes for piece in pieces.values())},
            "weight_map": {tensor: name for name, its in shards.items() for tensor, _ in its},
        }
        write_whole(folder / INDEX_NAME, json.dumps(index, indent=2) + "\n")
    return {name: kept[name] for name in shards}


def finish(folder: Path) -> None:
    """Say that the folder holds all that it shall hold."""
    (folder / JOURNAL_NAME).unlink()


def require_finished(folder: Path) -> None:
    """Raise BadInput if the writing of a folder was begun and not finished."""
    if (folder / JOURNAL_NAME).is_file():
        raise BadInput(
            f"{folder} is unfinished: what wrote it was stopped", hint="the command that began it goes on"
        )


def is_finished(folder: Path, record_name: str) -> bool:
    """Whether a folder has that record and nothing is left to be done in it.

    Raises:
        BadInput: its weights are no longer whole.
    """
    if (folder / JOURNAL_NAME).is_file() or not (folder / record_name).is_file():
        return False
    for fault in read_tensor_files(FolderFiles(folder)).faults:
        raise BadInput(
            f"{folder} was finished and is no longer whole: {fault.what}: {fault.value}",
            hint="remove it and type the command again, or choose a new folder",
        )
    return True


def require_free(folder: Path) -> None:
    """Raise BadInput if a folder holds anything but unfinished work."""
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if held - {f"{JOURNAL_NAME}.part"} and JOURNAL_NAME not in held:
        raise BadInput(f"{folder} is not empty", hint="choose a new folder")


def require_room(folder: Path, needed: int) -> None:
    """Raise BadInput unless the disk under a folder, or under where it will be, has so many bytes free."""
    place = next(one for one in (folder, *folder.resolve().parents) if one.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed + 2**26:  # and room for the small files
        raise BadInput(
            f"{place} has {_gigabytes(free)} free, and {_gigabytes(needed)} are to be written",
            hint="make room, or choose a folder on another disk",
        )


def write_whole(path: Path, text: str) -> None:
    """A small file, whole or not at all.

    Raises:
        BadInput: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def sha256_of(path: Path, count: Counter = lambda some: None) -> str:
    """Of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while part := file.read(PART_BYTES):
            digest.update(part)
            count(len(part))
    return digest.hexdigest()


Shards = dict[str, Sequence[tuple[str, Piece]]]


def _file_bytes(pieces: Sequence[tuple[str, Piece]]) -> int:
    return len(_header(pieces)) + sum(piece.nbytes for _, piece in pieces)


def _divide(pieces: Mapping[str, Piece], max_bytes: int) -> Shards:
    """The pieces by the name of the file that they go into."""
    groups: list[list[tuple[str, Piece]]] = [[]]
    size = 0
    for name, piece in pieces.items():
        if groups[-1] and size + piece.nbytes > max_bytes:
            groups.append([])
            size = 0
        groups[-1].append((name, piece))
        size += piece.nbytes
    groups = [sorted(group, key=lambda one: -ITEM_BYTES[one[1].dtype]) for group in groups]  # all are aligned
    if len(groups) == 1:
        return {SINGLE_NAME: groups[0]}
    return {f"model-{n:05}-of-{len(groups):05}.safetensors": group for n, group in enumerate(groups, 1)}


def _write(path: Path, pieces: Sequence[tuple[str, Piece]], count: Counter) -> str:
    digest = hashlib.sha256()
    part = path.with_name(path.name + ".part")
    with part.open("wb", buffering=0) as file:
        for some in chain((_header(pieces),), _all_parts(pieces)):
            view = memoryview(some)
            while view:
                view = view[file.write(view) :]
            digest.update(some)
            count(len(some))
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # read again from the disk
    if sha256_of(part, count) != digest.hexdigest():
        raise BadInput(f"{part} read again is not what was written", hint="look at the disk")
    os.replace(part, path)
    return digest.hexdigest()


def _all_parts(pieces: Sequence[tuple[str, Piece]]) -> Iterator[bytes]:
    for name, piece in pieces:
        had = 0
        for some in piece.parts():
            had += len(some)
            yield some
        if had != piece.nbytes:
            raise BadInput(f"{name} came as {had} bytes; {piece.dtype} {piece.shape} has {piece.nbytes}")


def _header(pieces: Sequence[tuple[str, Piece]]) -> bytes:
    """As safetensors lays it out: its length, then JSON, filled up to eight bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, piece in pieces:
        header[name] = {
            "dtype": piece.dtype,
            "shape": piece.shape,
            "data_offsets": [end, end + piece.nbytes],
        }
        end += piece.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made: of two who would write it at once the second is told."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made: {error.strerror}") from None
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BadInput(f"{folder} is being written by another process") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}",
            hint="make room and type it again: what is whole is kept",
        ) from None
    finally:
        os.close(held)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e9:.3f} GB"


def _is_there(path: Path, digest: str, count: Counter) -> bool:
    if not path.is_file():
        return False
    if sha256_of(path, count) == digest:
        return True
    count(-path.stat().st_size)  # it is written anew, and counted then
    return False


@dataclass
class _Journal:
    """Which shards of which plan are done."""

    path: Path
    plan: str
    done: dict[str, str]

    @classmethod
    def open(cls, folder: Path, plan: str) -> "_Journal":
        path = folder / JOURNAL_NAME
        if path.is_file():
            try:
                found = json.loads(path.read_bytes())
                before, done = found["plan"], dict(found["done"])
            except (ValueError, TypeError, KeyError):
                raise BadInput(f"{path} is broken", hint=f"remove {folder} and begin again") from None
            if before != plan:
                raise BadInput(
                    f"{folder} holds an unfinished work on something else, or in other shards",
                    hint="choose another folder, or remove it",
                )
            return cls(path, plan, done)
        require_free(folder)
        journal = cls(path, plan, {})
        journal._save()
        return journal

    def note(self, name: str, digest: str) -> None:
        self.done[name] = digest
        self._save()

    def _save(self) -> None:
        write_whole(self.path, json.dumps({"plan": self.plan, "done": self.done}))
