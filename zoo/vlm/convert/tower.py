"""The CLIP tower of an original checkpoint: its sizes, and its weights where the checkpoint lacks them.

The original code fetches a CLIP beside the checkpoint; the published checkpoints hold a tower of their own,
and theirs is taken. It knows CLIP's names and no language model.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.bases import Base
from zoo.errors import BadInput
from zoo.model_files import FolderFiles, model_files
from zoo.tensor_files import TensorFiles, read_tensor_files
from zoo.vlm.convert.layout import TOWER_PREFIX
from zoo.vlm.convert.source import bring, piece_of, read_json
from zoo.vlm.convert.tensors import piece_of_tensor, read_pickle
from zoo.vlm.names import is_computed
from zoo.vlm.shards import Piece, sha256_of

PICKLE_NAME = "pytorch_model.bin"
_CLIP = "vision_model."


@dataclass(frozen=True, kw_only=True)
class Tower:
    """Where the tower's weights come from."""

    name: str
    digests: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the files that it was read of."""
    pieces: Mapping[str, Piece] = field(default_factory=dict)
    """By name in the original layout; empty where the checkpoint's own are taken."""


def vision_config(base: Base, tower: str) -> dict[str, Any]:
    """The tower's configuration in transformers' form: what the base declares, with the sizes of the CLIP
    `tower` (folder or `REPO[@REVISION]`) if one is given.

    Raises:
        BadInput: there is no configuration of a CLIP.
    """
    declared: dict[str, Any] = dict(base.config["vision_config"])
    if not tower:
        return declared
    files = model_files(tower)
    told = read_json(files, "config.json")
    vision = told.get("vision_config", told)
    if not isinstance(vision, dict) or told.get("model_type") not in ("clip", "clip_vision_model"):
        raise BadInput(f"{files.name} is no CLIP: model_type is {told.get('model_type')!r}")
    return {**declared, **{key: vision[key] for key in declared if key in vision and key != "model_type"}}


def find_tower(base: Base, tower: str, tensors: TensorFiles, say: Callable[[str], object]) -> Tower:
    """The tower in the checkpoint's own tensors, or else the one in `tower`, by default the base's.

    Raises:
        BadInput: that one holds no CLIP's vision tower, or the checkpoint has its own and one is named.
        HubError: a Hub does not answer or refuses.
    """
    if any(name.startswith(TOWER_PREFIX) for name in tensors.tensors):
        if tower:
            raise BadInput("the checkpoint holds a vision tower of its own", hint="leave --tower away")
        return Tower(name="the checkpoint's own")
    files = model_files(tower or base.tower)
    say(f"the checkpoint holds no vision tower; it is taken from {files.name}")
    names = [name for name in ("model.safetensors", PICKLE_NAME) if name in files.sizes][:1]
    if not names:
        raise BadInput(f"{files.name} holds neither model.safetensors nor {PICKLE_NAME}")
    folder = bring(files, names, say).folder
    pieces = _pickled(folder / PICKLE_NAME) if PICKLE_NAME in names else _plain(folder)
    own = {f"{TOWER_PREFIX}{name}": piece for name, piece in pieces if name.startswith(_CLIP)}
    if not own:
        raise BadInput(f"{files.name} holds no tensor of a CLIP's vision tower")
    digests = {name: sha256_of(folder / name) for name in names}
    return Tower(name=files.name, digests=digests, pieces=own)


def _plain(folder: Path) -> Iterator[tuple[str, Piece]]:
    found = read_tensor_files(FolderFiles(folder))
    found.require_whole()
    for name, place in found.tensors.items():
        if not is_computed(name):
            yield name, piece_of(folder, place)


def _pickled(path: Path) -> Iterator[tuple[str, Piece]]:
    """Tensors alone are read of it, and no code."""
    for name, tensor in read_pickle(path).items():
        if not is_computed(name):
            yield name, piece_of_tensor(name, tensor)
