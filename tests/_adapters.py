"""Adapters that nothing trained, as folders that PEFT and the bank read: of random weights, or given ones."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from zoo.bases import Base
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
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.weights import expected_tensors, target_layers


def random_adapter(
    folder: Path,
    vlm: VisionLanguageModel,
    *,
    seed: int,
    rank: int = 16,
    alpha: int = 32,
    use_rslora: bool = False,
    targets: tuple[str, ...] | None = None,
    spread: float = 0.05,
    dtype: torch.dtype = torch.float32,
) -> AdapterManifest:
    """Write an adapter for a bare base; A and B are normal with that spread. The same seed gives the same."""
    manifest = describe(
        folder,
        vlm.base,
        name="random",
        rank=rank,
        alpha=alpha,
        use_rslora=use_rslora,
        targets=targets or vlm.base.lora_targets,
        seed=seed,
    )
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: (spread * torch.randn(shape, generator=generator)).to(dtype)
        for name, shape in expected_tensors(vlm.base, target_layers(vlm), folder, manifest).items()
    }
    return write_weights(folder, weights, manifest)


def describe(
    folder: Path,
    base: Base,
    *,
    name: str,
    rank: int,
    alpha: int,
    targets: Sequence[str],
    use_rslora: bool = False,
    seed: int = 0,
) -> AdapterManifest:
    """Make the folder with PEFT's configuration; the manifest, in which the weights' digest is missing."""
    folder.mkdir(parents=True)
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": use_rslora,
        "target_modules": rf".*language_model\..*\.({'|'.join(targets)})",
        "task_type": "CAUSAL_LM",
        "inference_mode": True,
    }
    (folder / CONFIG_NAME).write_text(json.dumps(config))
    return AdapterManifest(
        base=BaseRef(name=base.name, repo=base.repo, revision=base.revision),
        variant=VariantRef(name=name, title="Not trained", paper="none", objective=[]),
        data=DataRef(dataset="none", split="train", pairs=0, fingerprint="0" * 64, seed=seed),
        lora=LoraRef(r=rank, alpha=alpha, dropout=0.0, use_rslora=use_rslora, targets=list(targets)),
        training=TrainingRef(
            start_from="base",
            reference="base",
            learning_rate=0.0,
            schedule="constant",
            warmup_ratio=0.0,
            weight_decay=0.0,
            max_grad_norm=1.0,
            epochs=0.0,
            batch_size=1,
            steps=0,
            dtype="float32",
            seed=seed,
        ),
        cost=Cost(seconds=0.0, peak_memory_bytes=0, response_tokens=0),
        probe=Probe(image_seed=0, prompt="", response="", logps=[], base_logps=[]),
        weights_sha256="0" * 64,
        license=base.license,
        versions={},
        hardware="none",
        created="2026-11-22T00:00:00+00:00",
    )


def write_weights(
    folder: Path, weights: Mapping[str, torch.Tensor], manifest: AdapterManifest
) -> AdapterManifest:
    """Write an adapter's tensors, and the manifest with their digest."""
    save_file(dict(weights), folder / WEIGHTS_NAME)
    digest = hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest()
    manifest = manifest.model_copy(update={"weights_sha256": digest})
    write_manifest(folder, manifest)
    return manifest
