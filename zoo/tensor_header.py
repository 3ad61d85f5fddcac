"""The header of a safetensors file, believed only where it accounts for every byte of the file. Reads no
tensor and no file."""

import json
import math
import struct
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

LENGTH_BYTES = 8
"""Bytes at the start of a file that say how long its header is."""
ITEM_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
"""Bytes of a number, by the name that the format gives its precision."""
_DIMENSIONS = 8


class BadHeader(ValueError):
    """What is wrong with it, in words."""


class Place(NamedTuple):
    """A tensor as the header describes it."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    """Its first byte, counted from the end of the header."""
    last: int
    """The byte after its last."""


def header_bytes(start: bytes | memoryview, *, size: int, most: int) -> int:
    """How long the header is, from the first bytes of a file of `size` bytes.

    Raises:
        BadHeader: it cannot be so long, or is longer than `most`.
    """
    if len(start) < LENGTH_BYTES:
        raise BadHeader(f"{size} bytes in all")
    (length,) = struct.unpack_from("<Q", start)
    if length > most or LENGTH_BYTES + length > size:
        raise BadHeader(f"a header of {length} bytes in a file of {size}")
    return int(length)


def parse_header(content: bytes | memoryview) -> dict[str, Any]:
    """What the header says of each tensor, not yet looked at.

    Raises:
        BadHeader: it is no JSON object, or names one twice.
    """
    try:
        text = str(content, "utf-8")
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise (
            error if isinstance(error, BadHeader) else BadHeader(f"its header is no JSON: {error}")
        ) from error
    if not text.startswith("{"):
        raise BadHeader("its header is no JSON object")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise BadHeader("its __metadata__ is not made of texts")
    found: dict[str, Any] = header
    return found


def places(
    header: Mapping[str, Any], *, data: int, item_bytes: Mapping[str, int] = ITEM_BYTES
) -> dict[str, Place]:
    """Each tensor's place in the `data` bytes after the header, in their order there.

    Raises:
        BadHeader: one is not described, holds what `item_bytes` does not know, or the bytes do not add up.
    """
    told = {name: _place(name, entry, item_bytes) for name, entry in header.items()}
    found, end = {}, 0
    for name, place in sorted(told.items(), key=lambda item: item[1][2:]):
        if place.first != end:
            raise BadHeader(f"{name} begins at byte {place.first}, and what lies before it ends at {end}")
        if place.last - place.first != math.prod(place.shape) * item_bytes[place.dtype]:
            raise BadHeader(
                f"{name} has {place.last - place.first} bytes for {place.dtype} of the shape {place.shape}"
            )
        if place.last > data:
            raise BadHeader(f"{name} ends at byte {place.last} of {data}: the file is cut off")
        end = place.last
        found[name] = place
    if end != data:
        raise BadHeader(f"{data - end} bytes that belong to no tensor")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise BadHeader(f"{name} is there twice")
    return found


def _place(name: str, entry: Any, item_bytes: Mapping[str, int]) -> Place:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise BadHeader(f"{name} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in item_bytes:
        raise BadHeader(f"{name} holds {dtype!r}; known are {', '.join(item_bytes)}")
    if not _counts(shape, most=_DIMENSIONS) or not _counts(offsets, most=2) or len(offsets) < 2:
        raise BadHeader(f"{name} has the shape {shape!r} and the offsets {offsets!r}")
    return Place(dtype, tuple(shape), offsets[0], offsets[1])


def _counts(found: Any, *, most: int) -> bool:
    """True for a list of at most that many whole numbers that a file can hold."""
    if not isinstance(found, list) or len(found) > most:
        return False
    return all(type(number) is int and 0 <= number < 2**63 for number in found)
