"""A LoRA folder of LLaVA's original code as an adapter of the zoo.

Tensors get the names that the converted base has. What the folder does not say of its training is said to be
unknown. The finished folder passes the checks of loading (`zoo.vlm.weights`), or is not written.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from zoo.bases import Base
from zoo.errors import BadInput
from zoo.licences import narrowest
from zoo.manifest import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    AdapterManifest,
    BaseRef,
    Cost,
    DataRef,
    LoraRef,
    Probe,
    TrainingRef,
    VariantRef,
    write_manifest,
)
from zoo.model_files import FolderFiles
from zoo.vlm.convert.layout import empty_model, refuse
from zoo.vlm.convert.projector import base_with, trained_projector
from zoo.vlm.convert.source import first_of, read_json
from zoo.vlm.convert.tensors import read_pickle
from zoo.vlm.shards import sha256_of
from zoo.vlm.weights import checked_weights, linear_layers

STATE_NAME = "trainer_state.json"
_PICKLE_NAME = "adapter_model.bin"
_KEY = re.compile(r"base_model\.model\.model\.(layers\..+)\.lora_([AB])\.(?:default\.)?weight")
_OURS = ("base_model_name_or_path", "revision", "target_modules", "inference_mode")
"""Keys of PEFT's configuration that are written anew: a path of another machine, layers by bare names that
the vision tower has too."""
_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""sha256 of no bytes."""
_UNKNOWN = [
    "It was trained elsewhere, with LLaVA's original code: its data, its seed and the numbers of its run are "
    "not in its folder; what stands as 0, empty or unknown here is not known.",
    "The form of the prompts that it was trained with is not in its folder; it is asked in its base's own.",
    "No probe of it was taken when it was trained.",
]


def convert_adapter(
    base: Base, source: Path, out: Path, *, variant: str, projector_base: Path | None = None
) -> AdapterManifest:
    """Write the LoRA in `source` as an adapter of `base`, which must lie here, into the new folder `out`.

    A projector that was trained beside it is no part of a LoRA: one that differs from the base's asks for
    `projector_base`, a new folder for a copy of the base with that projector, which the adapter is then of.

    Raises:
        BadInput: the base cannot be loaded here, or is no LLaVA; `source` is of another architecture, or
            trained more than a LoRA and a projector; its projector is not the base's and there is no
            `projector_base`; `out` is there.
        BadAdapter: it is no plain LoRA, lacks a tensor, has one too many, is not finite or has no effect.
    """
    base.require_usable()
    if base.config.get("model_type") != "llava":
        raise BadInput(f"{source} is of LLaVA's original code, and {base.name} is no base of that code")
    if out.exists():
        raise BadInput(f"{out} is there already", hint="choose a new folder")
    files = FolderFiles(source)
    config = read_json(files, CONFIG_NAME)
    if files.path("config.json"):
        refuse(read_json(files, "config.json"), base, f"{source}/config.json")
    tensors = _renamed(source)
    projector = trained_projector(base, source)
    if projector:
        base = base_with(base, projector, projector_base)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        manifest = _write(base, source, part, variant, config, tensors)
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _renamed(source: Path) -> dict[str, Tensor]:
    """The LoRA's tensors under the names of the converted base."""
    if (source / WEIGHTS_NAME).is_file():
        try:
            found = load_file(source / WEIGHTS_NAME)
        except SafetensorError as error:
            raise BadInput(f"{source / WEIGHTS_NAME} is not whole: {error}") from None
    elif (source / _PICKLE_NAME).is_file():
        found = read_pickle(source / _PICKLE_NAME)
    else:
        raise BadInput(f"{source} holds neither {WEIGHTS_NAME} nor {_PICKLE_NAME}")
    if other := [name for name in found if not _KEY.fullmatch(name)]:
        raise BadInput(f"{source} holds what is no LoRA on the language model: {first_of(other)}")
    renamed = {
        _KEY.sub(r"base_model.model.model.language_model.\1.lora_\2.weight", name): tensor.contiguous()
        for name, tensor in found.items()
    }
    if len(renamed) != len(found):
        raise BadInput(f"{source} holds a tensor twice, with `.default` in its name and without")
    return renamed


def _write(
    base: Base,
    source: Path,
    part: Path,
    variant: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> AdapterManifest:
    targets = sorted({name.partition(".lora_")[0].rpartition(".")[2] for name in tensors})
    settings = {
        **{key: value for key, value in config.items() if key not in _OURS},
        "base_model_name_or_path": base.repo,
        "revision": None if base.folder else base.revision,
        "target_modules": rf".*language_model\..*\.({'|'.join(targets)})",
        "inference_mode": True,
    }
    (part / CONFIG_NAME).write_text(json.dumps(settings, indent=2) + "\n")
    save_file(dict(tensors), part / WEIGHTS_NAME, metadata={"format": "pt"})
    state = read_json(FolderFiles(source), STATE_NAME) if (source / STATE_NAME).is_file() else {}
    manifest = AdapterManifest(
        base=BaseRef(name=base.name, repo=base.repo, revision=base.revision),
        variant=VariantRef(
            name=variant, title=variant, paper="", objective=[], departures=[*_UNKNOWN, *_beside(source)]
        ),
        data=DataRef(dataset="unknown", split="unknown", pairs=0, fingerprint=_NOTHING, seed=0),
        lora=LoraRef(
            r=config.get("r") or 0,
            alpha=config.get("lora_alpha") or 0,
            dropout=config.get("lora_dropout") or 0.0,
            use_rslora=bool(config.get("use_rslora")),
            targets=targets,
        ),
        training=TrainingRef(
            start_from="unknown",
            reference="unknown",
            learning_rate=0.0,
            schedule="unknown",
            warmup_ratio=0.0,
            weight_decay=0.0,
            max_grad_norm=0.0,
            epochs=int(state.get("num_train_epochs") or 0),
            batch_size=0,
            steps=int(state.get("global_step") or 0),
            dtype="unknown",
            seed=0,
        ),
        cost=Cost(seconds=0.0, peak_memory_bytes=0, response_tokens=0),
        probe=Probe(image_seed=0, prompt="", response="", logps=[], base_logps=[]),
        weights_sha256=sha256_of(part / WEIGHTS_NAME),
        license=narrowest(base.license, "unknown"),
        versions={name: version(name) for name in ("medvlm-zoo", "torch", "transformers", "peft")},
        hardware="unknown",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_manifest(part, manifest)
    checked_weights(base, _layers(base), part, manifest)
    return manifest


def _beside(source: Path) -> list[str]:
    """What the folder may lack: the original code writes the projector at a run's end alone."""
    if (source / "non_lora_trainables.bin").is_file():
        return []
    return ["Its folder holds no projector: if one was trained beside it, it is not here."]


def _layers(base: Base) -> dict[str, nn.Linear]:
    """The base's layers that an adapter may change, without values."""
    config: Mapping[str, Any] = base.config
    if base.folder is not None:
        config = read_json(FolderFiles(base.folder), "config.json")
    return linear_layers(empty_model(config), base.lora_targets)
