"""Adapters of random weights, as folders that PEFT and the bank read. Nothing trained them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

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
    named = targets or vlm.base.lora_targets
    folder.mkdir(parents=True)
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": use_rslora,
        "target_modules": rf".*language_model\..*\.({'|'.join(named)})",
        "task_type": "CAUSAL_LM",
        "inference_mode": True,
    }
    (folder / CONFIG_NAME).write_text(json.dumps(config))
    manifest = AdapterManifest(
        base=BaseRef(name=vlm.base.name, repo=vlm.base.repo, revision=vlm.base.revision),
        variant=VariantRef(name="random", title="Random weights", paper="none", objective=[]),
        data=DataRef(dataset="none", split="train", pairs=0, fingerprint="0" * 64, seed=seed),
        lora=LoraRef(r=rank, alpha=alpha, dropout=0.0, use_rslora=use_rslora, targets=list(named)),
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
        license="apache-2.0",
        versions={},
        hardware="none",
        created="2026-11-22T00:00:00+00:00",
    )
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: (spread * torch.randn(shape, generator=generator)).to(dtype)
        for name, shape in expected_tensors(vlm.base, target_layers(vlm), folder, manifest).items()
    }
    return write_weights(folder, weights, manifest)


def write_weights(
    folder: Path, weights: Mapping[str, torch.Tensor], manifest: AdapterManifest
) -> AdapterManifest:
    """Write an adapter's tensors, and the manifest with their digest."""
    save_file(dict(weights), folder / WEIGHTS_NAME)
    digest = hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest()
    manifest = manifest.model_copy(update={"weights_sha256": digest})
    write_manifest(folder, manifest)
    return manifest
