"""Names, shapes and places of a checkpoint's tensors, from the headers of its safetensors files alone.

No tensor is read, so a checkpoint of any size takes as long as a small one, and of a Hub a few hundred
kilobytes come. Everything that is wrong is found, not only the first. It knows no model.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.checks import Fault
from zoo.errors import BadInput
from zoo.model_files import ModelFiles
from zoo.tensor_header import LENGTH_BYTES, BadHeader, Place, header_bytes, parse_header, places

SINGLE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
_HEADER_LIMIT = 16 * 2**20
_FIRST_READ = 128 * 2**10
"""Bytes asked first of a file: most headers are within them."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_AGAIN = "fetch it again"


@dataclass(frozen=True, kw_only=True)
class TensorPlace:
    """Where a tensor lies."""

    file: str
    dtype: str
    """As safetensors names it, such as `BF16`."""
    shape: tuple[int, ...]
    start: int
    """Its first byte in the file."""
    end: int
    """The byte after its last."""


@dataclass(frozen=True, kw_only=True)
class TensorFiles:
    """All tensors of a checkpoint."""

    tensors: Mapping[str, TensorPlace]
    files: tuple[str, ...]
    """The safetensors files that hold them, those that could be read."""
    faults: tuple[Fault, ...] = ()

    def require_whole(self) -> None:
        """Raise BadInput, which names the first fault and counts the others."""
        if self.faults:
            first, *more = self.faults
            others = f" (and {len(more)} more)" if more else ""
            raise BadInput(f"{first.what}: {first.value}{others}", hint=first.next)


def read_tensor_files(files: ModelFiles) -> TensorFiles:
    """What the headers say, with all that is wrong with them, their index and each other.

    Raises:
        ZooError: a file that is there cannot be read.
    """
    index, faults = _index(files)
    if index is None:
        names = [SINGLE_NAME] if SINGLE_NAME in files.sizes else []
        if not names and not faults:
            faults.append(_no_weights(files))
    else:
        names = sorted(set(index.values()))
        if SINGLE_NAME in files.sizes and SINGLE_NAME not in names:
            said = f"{SINGLE_NAME} and {INDEX_NAME}"
            faults.append(_fault("two sets of weights, and programs differ in which they read", said))
    tensors: dict[str, TensorPlace] = {}
    read = []
    for name in names:
        if name not in files.sizes:
            faults.append(_fault("a shard is not there", name))
            continue
        try:
            found = file_tensors(files, name)
        except BadHeader as error:
            faults.append(_fault("a shard is not whole", f"{name}: {str(error)[:300]}"))
            continue
        read.append(name)
        faults += [
            _fault("a tensor lies in two shards", f"{one} in {tensors[one].file} and {name}")
            for one in found.keys() & tensors.keys()
        ]
        tensors |= found
    if index is not None:
        faults += _lies(index, tensors, read)
    return TensorFiles(tensors=tensors, files=tuple(read), faults=tuple(faults))


def file_tensors(files: ModelFiles, name: str) -> dict[str, TensorPlace]:
    """The tensors of one file.

    Raises:
        BadHeader: it is no whole safetensors file.
        ZooError: it cannot be read.
    """
    size = files.sizes[name]
    start = files.read(name, 0, min(size, _FIRST_READ)) if size else b""
    length = header_bytes(start, size=size, most=_HEADER_LIMIT)
    begin = LENGTH_BYTES + length
    if begin > len(start):
        start += files.read(name, len(start), begin - len(start))
    found = places(parse_header(start[LENGTH_BYTES:begin]), data=size - begin)
    return {one: _placed(name, place, begin) for one, place in found.items()}


def _placed(name: str, place: Place, begin: int) -> TensorPlace:
    return TensorPlace(
        file=name,
        dtype=place.dtype,
        shape=place.shape,
        start=begin + place.first,
        end=begin + place.last,
    )


def _index(files: ModelFiles) -> tuple[dict[str, str] | None, list[Fault]]:
    """The index's file of each tensor; None where there is no index that can be read."""
    path = files.path(INDEX_NAME)
    if path is None:
        return None, []
    try:
        told: Any = json.loads(path.read_bytes())
        index = told["weight_map"]
        if not all(isinstance(name, str) and "/" not in name for name in index.values()):
            raise ValueError("its weight_map names what is no file beside it")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return None, [_fault("the index cannot be read", f"{INDEX_NAME}: {str(error)[:200]}")]
    return dict(index), []


def _lies(index: Mapping[str, str], tensors: Mapping[str, TensorPlace], read: list[str]) -> list[Fault]:
    """Where the index and the shards that could be read differ."""
    absent = [name for name, file in index.items() if file in read and name not in tensors]
    elsewhere = [
        f"{name} in {file}, and it lies in {tensors[name].file}"
        for name, file in index.items()
        if name in tensors and tensors[name].file != file and file in read
    ]
    unnamed = sorted(tensors.keys() - index.keys())
    return [
        _fault(what, f"{some[0]}" + (f" and {len(some) - 1} more" if len(some) > 1 else ""))
        for what, some in (
            ("the index names a tensor that is in no shard", sorted(absent)),
            ("the index names another shard", sorted(elsewhere)),
            ("a shard holds a tensor that the index does not name", unnamed),
        )
        if some
    ]


def _no_weights(files: ModelFiles) -> Fault:
    pickled = sorted(name for name in files.sizes if "/" not in name and name.endswith(_PICKLES))
    if pickled:
        return Fault(
            what="weights that can run code when they are loaded, and no safetensors",
            value=", ".join(pickled[:3]),
            next="find a revision that holds safetensors; nothing here opens them",
        )
    return Fault(what="no weights", value=files.name, next=f"it holds neither {SINGLE_NAME} nor an index")


def _fault(what: str, value: str) -> Fault:
    return Fault(what=what, value=value, next=_AGAIN)
