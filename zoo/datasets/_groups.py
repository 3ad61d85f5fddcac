"""Which pictures are nearly the same, and splits that keep such pictures together.

Two pictures are near duplicates if their difference hashes (dHash: which of two neighbouring cells of a
16 x 16 grid is brighter, 256 bits) differ in at most 20 bits; chosen by looking at slices of one CT or MR
volume in SLAKE. A group is what near duplicates connect. Its split depends on the pictures in it, not on
names or on what is asked, so data sets that are read from the same pictures agree on their splits; in
another folder a picture may be in another group, and so in another split.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

SPLITS = ("train", "validation", "test")
NEAR = 20
_GRID = 16
_SHARES = (0.7, 0.8)
"""Below the first number train, below the second validation, the rest test."""

Bits = npt.NDArray[np.uint8]


def difference_hash(path: Path) -> Bits:
    """(32,) bytes: 256 bits, each 1 where a cell is brighter than its left neighbour."""
    with PIL.Image.open(path) as image:
        image.draft("L", (8 * _GRID, 8 * _GRID))  # a JPEG need not be decoded in full
        grey = image.convert("L").resize((_GRID + 1, _GRID), PIL.Image.Resampling.BOX)
    cells = np.asarray(grey, dtype=np.int16)
    return np.packbits(cells[:, 1:] > cells[:, :-1])


@lru_cache(maxsize=8)
def group_keys(paths: tuple[Path, ...]) -> Mapping[Path, str]:
    """The key of each picture's group: the smallest hash in it, as hex.

    A file that is missing or no picture is a group of its own, by its name: whoever opens it will be told.
    """
    keys: dict[Path, str] = {}
    hashes: list[Bits] = []
    readable: list[Path] = []
    for path in paths:
        try:
            hashes.append(difference_hash(path))
            readable.append(path)
        except OSError:  # PIL's own error for a file that is no picture is one too
            keys[path] = "/".join(path.parts[-2:])
    if not readable:
        return keys
    table = np.stack(hashes)
    leader = np.arange(len(readable))
    for index in range(len(readable)):
        apart = np.bitwise_count(table[index] ^ table).sum(axis=1)
        joined = np.unique(leader[apart <= NEAR])
        leader[np.isin(leader, joined)] = joined[0]
    smallest: dict[int, str] = {}
    for owner, bits in zip(leader.tolist(), hashes, strict=True):
        key = bits.tobytes().hex()
        smallest[owner] = min(key, smallest.get(owner, key))
    return keys | {path: smallest[owner] for path, owner in zip(readable, leader.tolist(), strict=True)}


def folder_groups(folder: Path, pattern: str, named: Iterable[Path]) -> Mapping[Path, str]:
    """The groups of all pictures of a folder, and of those that records name, missing ones included.

    All of them, because what is a group must not depend on which records are at hand.
    """
    return group_keys(tuple(sorted({*folder.glob(pattern), *named})))


def split_of(key: str) -> str:
    """The split of a group: 70 % train, 10 % validation, 20 % test, decided by the key's sha256."""
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return SPLITS[sum(share >= bound for bound in _SHARES)]


def grouped_notes(pictures: Iterable[Path], keys: Mapping[Path, str]) -> tuple[str, ...]:
    """How the image-disjoint splits of a data set's pictures came about, and what they share, counted."""
    splits: dict[str, list[Path]] = {split: [] for split in SPLITS}
    for path in pictures:
        splits[split_of(keys[path])].append(path)
    return (
        f"split by picture and near duplicate: {len(keys)} pictures in {len(set(keys.values()))} groups, "
        f"dHash of 256 bits at most {NEAR} apart",
        *leak_notes(splits, keys),
    )


def leak_notes(pictures: Mapping[str, Iterable[Path]], keys: Mapping[Path, str]) -> tuple[str, ...]:
    """For each split after the first: how many of its pictures the first one shares, or nearly shares."""
    if not pictures:
        return ()
    (first, known), *others = ((split, set(paths)) for split, paths in pictures.items())
    known_groups = {keys[path] for path in known}
    notes = []
    for split, paths in others:
        shared = len(paths & known)
        near = sum(keys[path] in known_groups for path in paths - known)
        notes.append(
            f"leak: {shared} of the {len(paths)} pictures of {split} are in {first} too, "
            f"{near} more have a near duplicate there"
        )
    return tuple(notes)
