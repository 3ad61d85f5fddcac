"""The projector that LLaVA's original code trains beside a LoRA: whether it is the base's own, and a copy of
the base that has it instead.

The original code merges it silently; a LoRA cannot hold it. It knows no LoRA.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from zoo.bases import Base, revision_of
from zoo.errors import BadInput
from zoo.model_files import FolderFiles, model_files
from zoo.tensor_files import INDEX_NAME, read_tensor_files
from zoo.vlm.convert.layout import PROJECTOR_PREFIX, module_of
from zoo.vlm.convert.record import RECORD_NAME, read_record, write_record
from zoo.vlm.convert.settings import write_card
from zoo.vlm.convert.source import piece_of
from zoo.vlm.convert.tensors import DTYPES, piece_of_tensor, read_pickle
from zoo.vlm.names import module_name
from zoo.vlm.shards import JOURNAL_NAME, finish, shard_work, write_shards, write_whole

BESIDE_NAME = "non_lora_trainables.bin"


def trained_projector(base: Base, source: Path) -> dict[str, torch.Tensor]:
    """The projector in a LoRA folder, by the names of transformers' parameters and in the base's precision;
    empty if there is none or it is the base's own to the bit.

    Raises:
        BadInput: the file holds more than a projector, or one of another shape.
        HubError: the base's own cannot be read from the Hub.
    """
    path = source / BESIDE_NAME
    if not path.is_file():
        return {}
    files = model_files(base.folder or f"{base.repo}@{base.revision}")
    places = {module_name(name, "llava"): one for name, one in read_tensor_files(files).tensors.items()}
    trained, differs = {}, False
    for key, tensor in read_pickle(path).items():
        name = key.removeprefix("base_model.")
        if name.startswith("model.model."):
            name = name.removeprefix("model.")
        if not name.startswith(PROJECTOR_PREFIX):
            raise BadInput(f"{path} holds {key}, which is of no projector: it cannot be converted")
        module = module_of(name)
        place = places.get(module)
        if place is None or place.shape != tuple(tensor.shape):
            raise BadInput(f"{path}: {key} has the shape {tuple(tensor.shape)}, unlike that of {base.name}")
        own = bytearray(files.read(place.file, place.start, place.end - place.start))
        trained[module] = tensor.to(DTYPES[place.dtype])
        same = torch.equal(
            torch.frombuffer(own, dtype=DTYPES[place.dtype]).view(place.shape), trained[module]
        )
        differs = differs or not same
    return trained if differs else {}


def base_with(base: Base, projector: Mapping[str, torch.Tensor], folder: Path | None) -> Base:
    """A copy of a base that lies in a folder, in the new folder `folder`, with that projector.

    Raises:
        BadInput: there is no such new folder, the base lies in none, or the disk has no room.
    """
    if folder is None:
        raise BadInput(
            f"the projector that was trained beside this LoRA is not that of {base.name}: without it the "
            "answers are another model's, and a LoRA cannot hold it",
            hint="--projector-base FOLDER writes a copy of the base with it",
        )
    if base.folder is None:
        raise BadInput(
            f"{base.name} lies on the Hub, and a copy is made of a folder",
            hint=f"fetch {base.repo}@{base.revision} and type: medzoo bases {base.name} --at FOLDER",
        )
    own = read_record(base.folder)
    if own is None:
        raise BadInput(
            f"{base.folder} was not written by medzoo convert; only of such a folder a copy is made"
        )
    found = read_tensor_files(FolderFiles(base.folder))
    found.require_whole()
    pieces = {name: piece_of(base.folder, place) for name, place in found.tensors.items()}
    names = {module_name(name, "llava"): name for name in pieces}
    digests = {}
    for module, tensor in projector.items():
        pieces[names[module]] = piece_of_tensor(module, tensor)
        digests[module] = hashlib.sha256(b"".join(pieces[names[module]].parts())).hexdigest()
    revision = revision_of({"base": base.revision, **digests})
    made = replace(base, folder=folder, revision=revision)
    if _is_made(folder, revision):
        return made
    desc = f"{folder.name} (write, check)"
    with tqdm(total=shard_work(pieces), unit="B", unit_scale=True, desc=desc, mininterval=1) as bar:
        shards = write_shards(folder, pieces, origin=revision, count=bar.update)
    record = own.model_copy(
        update={"revision": revision, "proven": False, "shards": shards, "projector": digests}
    )
    for path in base.folder.iterdir():
        if path.suffix != ".safetensors" and path.name not in (INDEX_NAME, RECORD_NAME, "config.json"):
            shutil.copyfile(path, folder / path.name)
    write_record(folder, record)
    write_card(folder, base, record)
    write_whole(folder / "config.json", (base.folder / "config.json").read_text())
    finish(folder)
    return made


def _is_made(folder: Path, revision: str) -> bool:
    if (folder / JOURNAL_NAME).is_file():
        return False
    record = read_record(folder)
    return record is not None and record.revision == revision
