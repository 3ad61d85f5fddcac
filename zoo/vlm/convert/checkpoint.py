"""A whole original checkpoint as a folder that transformers loads: bytes under new names, no number computed.

Everything that headers and small files can tell is looked at before gigabytes are read, and the folder is
whole only at the end (`zoo.vlm.shards`). What was done is on record in `conversion.json`.
"""

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

from zoo.bases import Base, prove, revision_of
from zoo.errors import BadInput
from zoo.manifest import CONFIG_NAME
from zoo.model_files import ModelFiles, model_files
from zoo.tensor_files import TensorFiles, read_tensor_files
from zoo.vlm.convert.layout import EMBEDDING, HEAD, TOWER_PREFIX, Layout, layout_of, require_original
from zoo.vlm.convert.record import RECORD_NAME, Record, read_record, write_record
from zoo.vlm.convert.settings import write_settings
from zoo.vlm.convert.source import bring, first_of, piece_of, read_json
from zoo.vlm.convert.tokenizer import MODEL_NAME, make_tokenizer, write_tokenizer
from zoo.vlm.convert.tower import Tower, find_tower, vision_config
from zoo.vlm.names import is_computed
from zoo.vlm.shards import (
    SHARD_BYTES,
    Piece,
    finish,
    is_finished,
    require_free,
    sha256_of,
    shard_work,
    write_shards,
)


def convert_checkpoint(
    base: Base,
    source: str,
    out: Path,
    *,
    tower: str = "",
    max_bytes: int = SHARD_BYTES,
    say: Callable[[str], object] = lambda line: None,
) -> Record:
    """Convert `source`, a folder or `REPO[@REVISION]` in the base's original layout, into the folder `out`.

    `tower` is a CLIP (folder or `REPO[@REVISION]`) for a checkpoint that does not hold its own; by default it
    is the one that the base's original code fetches. Run again after a kill it goes on, and once it is
    finished it says so.

    Raises:
        BadInput: the source is not the base's layout, asks what cannot be converted, is not whole, lacks a
            tensor or has one too many; `out` holds something else; the disk has no room.
        HubError: a Hub does not answer or refuses.
    """
    if source == base.repo and base.subfolders:
        raise BadInput(
            f"{source} holds several copies of {base.name}: {', '.join(base.subfolders)}",
            hint=f"choose one: {source}/{base.subfolders[-1]}",
        )
    if base.revision and source in (base.repo, *(f"{base.repo}/{one}" for one in base.subfolders)):
        source = f"{source}@{base.revision}"
    if done := _done_before(base, source, tower, out):
        say(f"{out} is finished already: {done.base}@{done.revision}, converted from {done.source}")
        return done
    require_free(out)
    files = model_files(source)
    if CONFIG_NAME in files.sizes:
        raise BadInput(
            f"{files.name} holds a LoRA",
            hint=f"hf download {files.name.partition('@')[0]} --local-dir FOLDER, and convert that folder",
        )
    config = read_json(files, "config.json")
    require_original(config, base, f"{files.name}/config.json")
    tensors = read_tensor_files(files)
    tensors.require_whole()
    layout = layout_of(config, base, vision_config(base, tower))
    dropped = _check(files.name, tensors, layout)
    tokenizer = make_tokenizer(files, base, image_token=layout.image_token)
    text = layout.config["text_config"]
    if tokenizer.id_to_token(text["pad_token_id"]) is None:
        raise BadInput(f"{files.name} pads with {text['pad_token_id']}, which is no token of its tokenizer")

    found = find_tower(base, tower, tensors, say)
    _check_tower(found, layout)
    here = bring(files, list(tensors.files), say)
    pieces = _pieces(here.folder, tensors, layout, found)
    total = sum(files.sizes[name] for name in tensors.files) + shard_work(pieces, max_bytes)
    desc = f"{out.name} (read, write, check)"
    with tqdm(total=total, unit="B", unit_scale=True, desc=desc, mininterval=1) as bar:
        digests = {name: sha256_of(here.folder / name, bar.update) for name in tensors.files}
        _same_as_told(files, digests)
        small = [name for name in ("config.json", MODEL_NAME, "tokenizer.json") if files.path(name)]
        digests |= {name: sha256_of(_path(files, name)) for name in small}
        commit = _commit(base, files, digests, layout, found)
        told = hashlib.sha256(json.dumps(layout.config, sort_keys=True).encode()).hexdigest()
        apart = {f"tower/{name}": digest for name, digest in found.digests.items()}
        origin = revision_of({**digests, **apart, "converted/config.json": told})
        shards = write_shards(out, pieces, origin=origin, max_bytes=max_bytes, count=bar.update)
    write_tokenizer(
        out,
        tokenizer,
        files,
        base,
        pad_id=text["pad_token_id"],
        longest=config.get("tokenizer_model_max_length", text["max_position_embeddings"]),
    )
    record = Record(
        base=base.name,
        repo=base.repo,
        revision=commit or origin,
        proven=bool(commit),
        source=files.name,
        files=digests,
        tower=found.name,
        tower_files=dict(found.digests),
        shards=shards,
        tensors=len(pieces),
        dropped=dropped,
        image_row=(
            f"row {layout.image_token} of embedding and head, added as zeros: <image> has a score of 0 "
            "beside those of the other tokens, where the original has none"
            if layout.adds_row
            else f"row {layout.image_token}, which no text used"
        ),
        differences=list(layout.differences),
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("medvlm-zoo", "transformers", "tokenizers")},
        },
    )
    write_record(out, record)
    write_settings(out, base, layout, record)
    finish(out)
    return record


def _done_before(base: Base, source: str, tower: str, out: Path) -> Record | None:
    """The record of what was converted into `out`, if it is finished and the same; None if there is none.

    Raises:
        BadInput: it is of another source, cannot be read, or is no longer whole.
        HubError: which commit is meant has to be asked of a Hub, and it does not answer or refuses.
    """
    record = read_record(out) if is_finished(out, RECORD_NAME) else None
    if record is None:
        return None
    same = record.base == base.name and not record.projector
    same = same and _is_what_was_read(source, record.source, record.files)
    if not (same and (not tower or _is_what_was_read(tower, record.tower, record.tower_files))):
        raise BadInput(
            f"{out} holds a finished conversion of {record.source} to {record.base}@{record.revision}",
            hint="choose a new folder",
        )
    return record


def _is_what_was_read(said: str, name: str, digests: Mapping[str, str]) -> bool:
    """Whether a source is the one on record: a folder by all its bytes, another by its name."""
    folder = Path(said)
    if not folder.is_dir():
        return said == name or model_files(said).name == name
    if not digests or not all((folder / one).is_file() for one in digests):
        return False
    total = sum((folder / one).stat().st_size for one in digests)
    with tqdm(total=total, unit="B", unit_scale=True, desc=f"{folder.name} (read)", mininterval=1) as bar:
        return all(sha256_of(folder / one, bar.update) == digest for one, digest in digests.items())


def _check(where: str, tensors: TensorFiles, layout: Layout) -> list[str]:
    """The tensors that are left out, after every other one was found to be the layout's."""
    found = tensors.tensors
    holds_tower = any(name.startswith(TOWER_PREFIX) for name in found)
    wanted = {
        name: shape
        for name, (_, shape) in layout.names.items()
        if holds_tower or not name.startswith(TOWER_PREFIX)
    }
    dropped = [name for name in found if name not in wanted and is_computed(name)]
    if unknown := found.keys() - wanted.keys() - set(dropped):
        raise BadInput(f"{where} holds a tensor that its layout does not have: {first_of(list(unknown))}")
    if missing := wanted.keys() - found.keys():
        raise BadInput(f"{where} lacks {first_of(list(missing))}")
    for name, shape in wanted.items():
        if found[name].shape != shape:
            raise BadInput(f"{where}: {name} has the shape {found[name].shape}; config.json says {shape}")
    return sorted(dropped)


def _check_tower(tower: Tower, layout: Layout) -> None:
    """Raise BadInput unless a tower that lies apart has exactly the tensors of the layout's."""
    wanted = {name: shape for name, (_, shape) in layout.names.items() if name.startswith(TOWER_PREFIX)}
    if not tower.pieces:
        return
    if missing := wanted.keys() - tower.pieces.keys():
        raise BadInput(f"{tower.name} lacks {first_of(list(missing))}")
    if more := tower.pieces.keys() - wanted.keys():
        raise BadInput(f"{tower.name} holds what its config.json does not say: {first_of(list(more))}")
    for name, shape in wanted.items():
        if tower.pieces[name].shape != shape:
            raise BadInput(f"{tower.name}: {name} has the shape {tower.pieces[name].shape}, not {shape}")


def _pieces(folder: Path, tensors: TensorFiles, layout: Layout, tower: Tower) -> dict[str, Piece]:
    """All converted tensors by name, those of the language model first as they lie."""
    pieces = {}
    for name, (converted, _) in layout.names.items():
        if name in tower.pieces:
            piece = tower.pieces[name]
        else:
            grows = layout.adds_row and name in (EMBEDDING, HEAD)
            piece = piece_of(folder, tensors.tensors[name], zero_rows=1 if grows else 0)
        pieces[converted] = piece
    return pieces


def _same_as_told(files: ModelFiles, digests: dict[str, str]) -> None:
    """Raise BadInput if a file that came is not the one that the Hub told of."""
    for name, digest in digests.items():
        if files.digests.get(name, digest) != digest:
            raise BadInput(
                f"{files.name}: {name} arrived with the sha256 {digest}; the Hub says {files.digests[name]}",
                hint="remove it from the cache of huggingface_hub and run this again",
            )


def _commit(base: Base, files: ModelFiles, digests: dict[str, str], layout: Layout, tower: Tower) -> str:
    """The Hub's commit that the source is shown to be; empty if it is not shown."""
    if tower.pieces or layout.config["vision_config"] != base.config["vision_config"]:
        return ""
    if files.commit:
        return files.commit if files.name.startswith(f"{base.repo}@") else ""
    return base.revision if prove(digests, base.files) and not layout.differences else ""


def _path(files: ModelFiles, name: str) -> Path:
    path = files.path(name)
    if path is None:
        raise BadInput(f"{files.name} has no {name}")
    return path
