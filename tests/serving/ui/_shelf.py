"""Listings of adapters whose manifests are made as a test wants them."""

from pathlib import Path
from typing import Any

from serving.core.engine import OnDisk
from serving.core.registry import Status
from serving.core.requests import AdapterId
from serving.listing import Listing
from zoo.manifest import read_manifest


def listing(folder: Path, *, alias: str = "", state: Any = "on_disk", reason: str = "") -> Listing:
    """The adapter in a folder as a server lists it."""
    manifest = read_manifest(folder)
    name = alias or manifest.variant.name
    who = AdapterId(f"local/phantom-{name}", "a" * 40, manifest.weights_sha256)
    return Listing(
        alias=name,
        written=f"local/phantom-{name}@main",
        adapter=who,
        variant=manifest.variant.name,
        title=manifest.variant.title,
        base=f"{manifest.base.name}@{manifest.base.revision}",
        status=Status(state, reason),
        evaluation=tuple(manifest.evaluation),
        files=OnDisk(who, folder, manifest),
    )


def absent(alias: str, reason: str) -> Listing:
    """One that could not be brought here."""
    return Listing(
        alias=alias,
        written=f"local/{alias}@main",
        adapter=None,
        variant=alias,
        title="",
        base="",
        status=Status("failed", reason),
    )


def score(value: float, **changes: Any) -> dict[str, Any]:
    """A score as a manifest has it: accuracy over all questions by rules, unless it is changed."""
    return {
        "metric": "accuracy",
        "subset": "all",
        "dataset": "phantom",
        "split": "test",
        "value": value,
        "low": round(value - 0.05, 3),
        "high": round(value + 0.05, 3),
        "n": 500,
        "base_value": 0.62,
        "sft_value": 0.7,
        "over_base": {"low": 0.01, "high": 0.2},
        "over_sft": {"low": -0.02, "high": 0.04},
        "fingerprint": "f" * 64,
    } | changes
