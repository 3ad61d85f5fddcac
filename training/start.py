"""Where a run begins, which is its reference too: the base, or an adapter on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from zoo.bases import Base
from zoo.manifest import AdapterManifest, read_manifest
from zoo.vlm.lora import LoraSpec
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.weights import checked_weights, target_layers


@dataclass(frozen=True)
class Start:
    """An adapter that a run goes on from."""

    identity: str
    """`repo@sha`, or the variant and the digest of an adapter that is in no repo."""
    digest: str
    """sha256 of its weights."""
    lora: LoraSpec
    tensors: Mapping[str, torch.Tensor]
    manifest: AdapterManifest


def policy_name(base: Base, start: Start | None) -> str:
    """What pairs call the model that a run begins from, where it answers."""
    return f"{base.pinned}+{start.digest[:12]}" if start else base.pinned


def read_start(vlm: VisionLanguageModel, folder: Path, *, identity: str = "") -> Start:
    """The adapter in a folder as a starting point, after every check that serving makes too.

    Raises:
        BadManifest, BadAdapter: see `zoo.vlm.weights.checked_weights`.
    """
    manifest = read_manifest(folder)
    tensors = checked_weights(vlm.base, target_layers(vlm), folder, manifest)
    lora = manifest.lora
    return Start(
        identity=identity or f"{manifest.variant.name}@{manifest.weights_sha256[:12]}",
        digest=manifest.weights_sha256,
        lora=LoraSpec(r=lora.r, alpha=lora.alpha, use_rslora=lora.use_rslora),
        tensors=tensors,
        manifest=manifest,
    )
