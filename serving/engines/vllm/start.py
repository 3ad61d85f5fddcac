"""How vLLM is started for a base and an operator's limits, and a copy of the base that it can read where it
cannot read the base's own files. Knows no vLLM and loads no model."""

import json
import shlex
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from serving.settings import Settings
from zoo.bases import Base
from zoo.errors import BadInput
from zoo.model_files import FolderFiles
from zoo.tensor_files import INDEX_NAME, read_tensor_files
from zoo.tensor_header import LENGTH_BYTES
from zoo.vllm import LAYERS, RANKS

_VARIABLES = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}
_CPU_VARIABLES = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_WAIT_POLICY": "PASSIVE"}
_CPU_OPTIONS = ("--block-size", "32", "--enforce-eager")
"""Of vLLM's own blocks of 128 tokens on a CPU a short prompt fills none, so that nothing of it is kept."""
_TOWER, _INNER = "vision_tower.", "vision_tower.vision_model."
NAME = "base"
"""By which the base is asked there."""


@dataclass(frozen=True)
class Start:
    """A command line."""

    variables: dict[str, str]
    words: tuple[str, ...]

    def __str__(self) -> str:
        variables = " ".join(f"{name}={value}" for name, value in self.variables.items())
        return f"{variables} \\\n{shlex.join(self.words)}"


def vllm_start(settings: Settings, folder: Path, *, dtype: str, port: int, cpu: bool) -> Start:
    """vLLM on the base in `folder`, with as many adapters, ranks and rows as the settings have.

    Raises:
        BadInput: vLLM takes no such rank.
    """
    rank = next((one for one in RANKS if one >= settings.max_rank), None)
    if rank is None:
        raise BadInput(f"max_rank is {settings.max_rank}; vLLM takes at most {RANKS[-1]}")
    loras = str(settings.slots + 1)  # the base is one, of zeros
    words = (
        *("vllm", "serve", str(folder), "--served-model-name", NAME),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", dtype),
        *("--enable-lora", "--max-loras", loras, "--max-cpu-loras", loras, "--max-lora-rank", str(rank)),
        # Else the head is wrapped too, and a vLLM on a CPU ends when a probe is put while others answer:
        # for a prompt's log-probs it takes the map of the rows that answer (`add_lora_logits`).
        *("--lora-target-modules", *LAYERS),
        *("--max-num-seqs", str(settings.max_rows), "--generation-config", "vllm"),
        *(_CPU_OPTIONS if cpu else ()),
    )
    return Start(_VARIABLES | (_CPU_VARIABLES if cpu else {}), words)


def names_to_change(folder: Path) -> dict[str, str]:
    """Tensors that vLLM looks for under another name: transformers 5 writes a tower's without one of its
    parts."""
    config = json.loads((folder / "config.json").read_bytes())
    if config.get("model_type") != "llava":
        return {}
    found = read_tensor_files(FolderFiles(folder))
    found.require_whole()
    return {
        name: name.replace(_TOWER, _INNER, 1)
        for name in found.tensors
        if name.startswith(_TOWER) and not name.startswith(_INNER)
    }


def write_copy(base: Base, source: Path, target: Path) -> None:
    """A copy of a base's folder with the names that vLLM looks for, and with the template that it was taught.

    Raises:
        BadInput: the target is there already.
    """
    changed = names_to_change(source)
    if target.exists():
        raise BadInput(f"{target} is there already", hint="name a folder that is not")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in sorted(one for one in source.iterdir() if one.is_file()):
        if file.suffix == ".safetensors":
            _rename(file, partial / file.name, changed)
        else:
            shutil.copyfile(file, partial / file.name)
    index = partial / INDEX_NAME
    if index.exists():
        told = json.loads(index.read_bytes())
        told["weight_map"] = {changed.get(name, name): file for name, file in told["weight_map"].items()}
        index.write_text(json.dumps(told, indent=2))
    if base.template:
        (partial / "chat_template.jinja").write_text(base.template)
    partial.rename(target)


def _rename(source: Path, target: Path, names: dict[str, str]) -> None:
    """The same bytes under other names."""
    with source.open("rb") as read, target.open("wb") as write:
        (length,) = struct.unpack("<Q", read.read(LENGTH_BYTES))
        header = json.loads(read.read(length))
        told = json.dumps({names.get(name, name): entry for name, entry in header.items()}).encode()
        told += b" " * (-len(told) % LENGTH_BYTES)
        write.write(struct.pack("<Q", len(told)) + told)
        shutil.copyfileobj(read, write, 2**24)
