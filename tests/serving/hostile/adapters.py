"""Adapters that must be refused, each for one reason of its own."""

import json
import pickle
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from zoo.manifest import MANIFEST_NAME, WEIGHTS_NAME

Tensors = dict[str, torch.Tensor]


class Bomb:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


def bad_adapter(kind: str, good: Path, folder: Path) -> Path:
    """A copy of the good adapter that is bad in that way. The manifest's digest is right, so that nothing but
    the badness itself can be why it is refused; `wrong digest` alone has it wrong."""
    shutil.copytree(good, folder)
    weights = folder / WEIGHTS_NAME
    if kind == "a pickle":
        weights.write_bytes(pickle.dumps(Bomb(folder / "unpickled")))
    elif kind == "cut off":
        weights.write_bytes(weights.read_bytes()[:-4])
    else:
        tensors = load_file(weights)
        _CHANGES.get(kind, lambda _: None)(tensors)
        save_file(tensors, weights)
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    manifest["weights_sha256"] = sha256(weights.read_bytes()).hexdigest()
    manifest |= _MANIFESTS.get(kind, {})
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    return folder


def _nan(tensors: Tensors) -> None:
    tensors[max(tensors)].view(-1)[-1] = torch.nan


def _missing(tensors: Tensors) -> None:
    del tensors[max(tensors)]


def _extra(tensors: Tensors) -> None:
    name = max(tensors)
    tensors[name.replace("down_proj", "up_proj")] = tensors[name].clone()


_CHANGES: dict[str, Callable[[Tensors], None]] = {
    "a NaN": _nan,
    "one key missing": _missing,
    "one key extra": _extra,
    "no effect": lambda tensors: [t.zero_() for name, t in tensors.items() if "lora_B" in name] and None,
}
_MANIFESTS: dict[str, dict[str, Any]] = {
    "a wrong base": {"base": {"name": "other", "repo": "x/other", "revision": "e" * 40}},
    "another revision of the base": {
        "base": {"name": "phantom", "repo": "medvlm-zoo/phantom", "revision": "e" * 40}
    },
    "wrong digest": {"weights_sha256": "f" * 64},
}
REFUSALS = {
    "a pickle": (422, "BrokenWeights", "not a readable safetensors file"),
    "cut off": (422, "BrokenWeights", "not a readable safetensors file"),
    "a NaN": (422, "NotFinite", "holds a value that is not finite"),
    "one key missing": (422, "WrongTensors", "1 missing, 0 extra"),
    "one key extra": (422, "WrongTensors", "0 missing, 1 extra"),
    "no effect": (422, "NoEffect", "changes nothing"),
    "a wrong base": (409, "WrongBase", "this adapter is for other@"),
    "another revision of the base": (409, "WrongBase", "this adapter is for phantom@eeee"),
    "wrong digest": (422, "DigestMismatch", "sha256 is"),
}
"""Status, type and a part of the message by which each is refused."""
