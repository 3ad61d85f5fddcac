"""An original checkpoint's files, in a folder or brought from a Hub, and its tensors read in place.

All that headers can tell is known before a gigabyte moves. It knows safetensors and a Hub's files; what a
tensor is for it does not know.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from zoo.errors import BadInput
from zoo.hub_access import asking, cache_of, hub_address, hub_api
from zoo.model_files import FolderFiles, HubFiles, ModelFiles
from zoo.tensor_files import TensorPlace
from zoo.vlm.shards import PART_BYTES, Piece, require_room


def read_json(files: ModelFiles, name: str) -> dict[str, Any]:
    """A small JSON file.

    Raises:
        BadInput: it is not there, or is no JSON object.
    """
    path = files.path(name)
    if path is None:
        raise BadInput(f"{files.name} has no {name}")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{files.name}: {name} is no JSON ({str(error)[:200]})") from None
    if not isinstance(found, dict):
        raise BadInput(f"{files.name}: {name} is no JSON object")
    return found


def bring(files: ModelFiles, names: list[str], say: Callable[[str], object]) -> FolderFiles:
    """Files on this machine: those of a Hub come one by one with a progress bar; one that is here stays.

    Raises:
        BadInput: the disk has no room for them.
        HubError: the Hub does not answer or refuses.
    """
    if isinstance(files, FolderFiles):
        return files
    if not isinstance(files, HubFiles):
        raise TypeError(f"{files.name} lies in no folder and on no Hub")
    repo, within = files.repo, files.within
    address = hub_address()
    cache = cache_of(address)
    known = partial(try_to_load_from_cache, repo, revision=files.commit, cache_dir=cache)
    missing = sum(files.sizes[name] for name in names if not isinstance(known(f"{within}{name}"), str))
    if missing:
        say(f"{missing / 1e9:.1f} GB come from {address} into {cache}")
        require_room(cache, missing)
    for name in names:
        with asking(f"{files.name}/{name}", address):
            path = hub_api(address, None).hf_hub_download(
                repo, f"{within}{name}", revision=files.commit, cache_dir=cache
            )
    return FolderFiles(Path(path).parents[name.count("/")])


def piece_of(folder: Path, place: TensorPlace, *, zero_rows: int = 0) -> Piece:
    """A tensor that lies in a file, with so many rows of zeros behind it."""
    rows, *row = place.shape or (0,)
    shape = (rows + zero_rows, *row) if zero_rows else place.shape
    more = (place.end - place.start) // rows * zero_rows if zero_rows else 0
    return Piece(place.dtype, shape, partial(_parts, folder / place.file, place.start, place.end, more))


def _parts(path: Path, start: int, end: int, zeros: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end:
            part = file.read(min(PART_BYTES, end - start))
            if not part:
                raise BadInput(f"{path} became shorter while it was read")
            start += len(part)
            yield part
    yield bytes(zeros)


def first_of(names: Mapping[str, object] | list[str]) -> str:
    """The first of some names, and how many more there are."""
    some = sorted(names)
    return some[0] + (f" and {len(some) - 1} more" if len(some) > 1 else "")
