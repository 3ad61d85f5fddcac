"""A base with an adapter's change added to its weights: one model of its own, written tensor by tensor.

`W + scale * B A` is computed in float32 and rounded once to the precision that the base's file has; every
other tensor is the base's, byte for byte, under the names that every program reads (`zoo.vlm.names`). It
knows no card: the caller gives the texts that lie beside the weights.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from tqdm import tqdm
from transformers import AutoConfig

from zoo.bases import Base
from zoo.errors import BadInput, WrongTensors
from zoo.manifest import AdapterManifest
from zoo.model_files import ModelFiles, model_files
from zoo.tensor_files import INDEX_NAME, TensorFiles, TensorPlace, read_tensor_files
from zoo.vlm.convert.record import RECORD_NAME as CONVERSION_NAME
from zoo.vlm.convert.source import bring, piece_of, read_json
from zoo.vlm.names import file_name, is_computed, module_name
from zoo.vlm.shards import (
    SHARD_BYTES,
    Counter,
    Piece,
    finish,
    is_finished,
    require_free,
    shard_work,
    write_shards,
    write_whole,
)
from zoo.vlm.weights import checked_weights, linear_layers, lora_scale, tensor_names

RECORD_NAME = "merge.json"
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_BESIDE = (".json", ".jinja", ".txt", ".model")
"""Endings of a base's small files: configuration, tokenizer, template."""
_NOT_COPIED = (INDEX_NAME, RECORD_NAME, CONVERSION_NAME)


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What was merged; `merge.json`."""

    base: str
    """`name@revision`."""
    adapter: str
    """`repo@sha`, or the folder's name of an adapter that is in no repo."""
    adapter_sha256: str
    layers: int
    """Linear layers that the adapter changes."""
    changed: float
    """Share of these layers' weights that differ from the base's after rounding."""
    shards: dict[str, str]
    """sha256 of each file of weights."""
    versions: dict[str, str]


def merge(
    base: Base,
    adapter: Path,
    manifest: AdapterManifest,
    out: Path,
    *,
    identity: str,
    texts: Mapping[str, str],
    max_bytes: int = SHARD_BYTES,
    say: Callable[[str], object] = lambda line: None,
) -> Merged:
    """Write `base` with the adapter in the folder `adapter` into the folder `out`, showing progress.

    Memory holds one tensor at a time, in float32. Run again after a kill it goes on, and once it is finished
    it says so. `texts` are written beside the weights, by their files' names; `say` is told what is fetched.

    Raises:
        BadAdapter: the adapter is not one for this base, by all checks that serving makes.
        BadInput: the base's files are not whole or not of its architecture, `out` holds something else, or
            the disk has no room.
        HubError: the base lies on a Hub that does not answer or refuses.
    """
    if done := _done_before(base, manifest, out):
        say(f"{out} is finished already: {done.base} with {done.adapter}")
        return done
    require_free(out)
    files = model_files(base.folder or f"{base.repo}@{base.revision}")
    found = read_tensor_files(files)
    found.require_whole()
    kind, layers = _layers(files, base)
    tensors = checked_weights(base, layers, adapter, manifest)
    small = [name for name in files.sizes if "/" not in name and name.endswith(_BESIDE)]
    here = bring(files, [*found.files, *small], say).folder
    changes = {
        f"{layer}.weight": _Change(tensors[a], tensors[b], lora_scale(manifest))
        for layer in layers
        for a, b in (tensor_names(layer),)
        if a in tensors
    }
    pieces = _pieces(here, found, kind, changes)
    if missing := changes.keys() - {module_name(name, kind) for name in found.tensors}:
        raise WrongTensors(f"{files.name} has no {min(missing)}, which the adapter changes")
    total = shard_work(pieces, max_bytes) + 2 * sum(
        place.end - place.start for name, place in found.tensors.items() if module_name(name, kind) in changes
    )
    desc = f"{out.name} (write, check, compare)"
    with tqdm(total=total, unit="B", unit_scale=True, desc=desc, mininterval=1) as bar:
        shards = write_shards(
            out,
            pieces,
            origin=f"{base.pinned} {manifest.weights_sha256}",
            max_bytes=max_bytes,
            count=bar.update,
        )
        changed = _share_changed(here, found, out, kind, changes, bar.update)
    for name in small:
        if name not in _NOT_COPIED:
            (out / name).write_bytes((here / name).read_bytes())
    merged = Merged(
        base=base.pinned,
        adapter=identity,
        adapter_sha256=manifest.weights_sha256,
        layers=len(changes),
        changed=changed,
        shards=shards,
        versions={name: version(name) for name in ("medvlm-zoo", "torch", "transformers")},
    )
    for name, text in texts.items():
        write_whole(out / name, text)
    write_whole(out / RECORD_NAME, json.dumps(asdict(merged), indent=2) + "\n")
    finish(out)
    return merged


def _done_before(base: Base, manifest: AdapterManifest, out: Path) -> Merged | None:
    """What was merged into `out`, if it is finished and the same; None if there is nothing of it.

    Raises:
        BadInput: it is another base or adapter, cannot be read, or is no longer whole.
    """
    if not is_finished(out, RECORD_NAME):
        return None
    try:
        done = Merged(**json.loads((out / RECORD_NAME).read_bytes()))
    except (ValueError, TypeError):
        raise BadInput(f"{out / RECORD_NAME} cannot be read", hint="choose a new folder") from None
    if (done.base, done.adapter_sha256) != (base.pinned, manifest.weights_sha256):
        raise BadInput(
            f"{out} holds a finished merge of {done.base} with {done.adapter}", hint="choose a new folder"
        )
    return done


@dataclass(frozen=True)
class _Change:
    """What an adapter adds to a layer's weight `(out, in)`."""

    a: torch.Tensor
    b: torch.Tensor
    scale: float

    def added_to(self, piece: Piece) -> Iterator[bytes]:
        """The weight's bytes with it, rounded once."""
        dtype = _DTYPES[piece.dtype]
        weight = torch.frombuffer(bytearray(b"".join(piece.parts())), dtype=dtype).view(piece.shape)
        exact = torch.addmm(weight.float(), self.b.float(), self.a.float(), alpha=self.scale)
        yield exact.to(dtype).view(torch.uint8).numpy().tobytes()


def _layers(files: ModelFiles, base: Base) -> tuple[str, dict[str, nn.Linear]]:
    """The type of the model in some files, and its layers that an adapter may change, without weights."""
    said = read_json(files, "config.json")
    kind: str = said["model_type"]
    config = AutoConfig.for_model(**{**said, "model_type": kind})
    with torch.device("meta"):
        model: Any = getattr(transformers, said["architectures"][0])._from_config(config)
    return kind, linear_layers(model, base.lora_targets)


def _pieces(folder: Path, found: TensorFiles, kind: str, changes: Mapping[str, _Change]) -> dict[str, Piece]:
    """All tensors of the merged model by the names that its files give them, in the order of the base's."""
    pieces = {}
    for name, place in found.tensors.items():
        if is_computed(name):
            continue
        module = module_name(name, kind)
        piece = piece_of(folder, place)
        if change := changes.get(module):
            if place.dtype not in _DTYPES:
                raise BadInput(
                    f"{name} is in {place.dtype}, to which nothing can be added", hint="an unquantised base"
                )
            piece = Piece(place.dtype, place.shape, partial(change.added_to, piece))
        pieces[file_name(module, kind)] = piece
    return pieces


def _share_changed(
    before: Path,
    found: TensorFiles,
    after: Path,
    kind: str,
    changes: Mapping[str, _Change],
    told: Counter,
) -> float:
    """Of the weights that were added to, the share that is no longer what it was, read from both files."""
    written = read_tensor_files(model_files(after)).tensors
    count = differing = 0
    for name, place in found.tensors.items():
        if (module := module_name(name, kind)) in changes:
            old, new = (
                _bits(root, one) for root, one in ((before, place), (after, written[file_name(module, kind)]))
            )
            count += len(old)
            differing += int((old != new).sum())
            told(2 * (place.end - place.start))
    return differing / count


def _bits(folder: Path, place: TensorPlace) -> torch.Tensor:
    bits = torch.int32 if place.dtype == "F32" else torch.int16
    return torch.frombuffer(bytearray(b"".join(piece_of(folder, place).parts())), dtype=bits)
