"""A finished run as an adapter folder: weights, PEFT's configuration, and `zoo.json` with a probe."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from training.checkpoint import CHECKPOINT_NAME
from training.data import PairSet
from training.loop import Run, Trained
from training.objective import as_data
from training.provenance import commit, hardware, peak_memory_bytes, versions
from training.start import policy_name
from training.variant import Variant
from zoo.bases import Base
from zoo.licences import narrowest
from zoo.manifest import (
    WEIGHTS_NAME,
    AdapterManifest,
    BaseRef,
    Cost,
    DataRef,
    LoraRef,
    PairNumbers,
    Probe,
    StageRef,
    TrainingRef,
    VariantRef,
    write_manifest,
)
from zoo.phantom.scans import make_scan
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.score import score, score_row

PROBE_SEED = 7
PROBE_PROMPT = "What does this scan show?"
PROBE_RESPONSE = "There is a small nodule in the left upper zone."


def write_adapter(
    vlm: VisionLanguageModel,
    variant: Variant,
    data: PairSet,
    run: Run,
    trained: Trained,
    folder: Path,
    probe: Probe,
) -> AdapterManifest:
    """Write the adapter and its manifest into `folder`; the run's checkpoint is done with and goes."""
    trained.lora.save(folder)
    manifest = AdapterManifest(
        base=BaseRef(name=vlm.base.name, repo=vlm.base.repo, revision=vlm.base.revision),
        variant=VariantRef(
            name=variant.name,
            title=variant.title,
            paper=variant.paper,
            objective=as_data(run.objective),
            departures=[*variant.departures, *_departures(vlm.base, variant, data, run)],
            settings=dict(variant.settings),
        ),
        data=DataRef(
            dataset=data.report.dataset,
            split=data.report.split,
            pairs=len(data.pairs),
            fingerprint=data.report.fingerprint,
            made_by=data.report.makers,
            steps=data.report.steps,
            seed=data.report.seed,
            license=data.report.license,
            numbers=PairNumbers(**{name: getattr(data.report, name) for name in PairNumbers.model_fields}),
        ),
        lora=LoraRef(
            r=run.lora.r,
            alpha=run.lora.alpha,
            dropout=run.lora.dropout,
            use_rslora=run.lora.use_rslora,
            targets=sorted(vlm.base.lora_targets),
        ),
        training=TrainingRef(
            start_from=run.start.identity if run.start else "base",
            reference=run.start.identity if run.start else "base",
            learning_rate=run.numbers.learning_rate,
            schedule=run.numbers.schedule,
            warmup_ratio=run.numbers.warmup_ratio,
            weight_decay=run.numbers.weight_decay,
            max_grad_norm=run.numbers.max_grad_norm,
            epochs=run.numbers.epochs,
            batch_size=run.numbers.batch_size,
            steps=trained.steps,
            shared_prompts=run.shared_prompts,
            dtype=str(vlm.dtype).removeprefix("torch."),
            quantization=vlm.quantization,
            seed=run.seed,
        ),
        earlier=_earlier(run),
        cost=Cost(
            seconds=round(trained.seconds, 1),
            peak_memory_bytes=peak_memory_bytes(vlm.device),
            response_tokens=trained.response_tokens,
        ),
        probe=probe,
        weights_sha256=hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest(),
        license=narrowest(
            vlm.base.license, data.report.license, *([run.start.manifest.license] if run.start else [])
        ),
        commit=commit(),
        versions=versions("bitsandbytes") if vlm.quantization else versions(),
        hardware=hardware(vlm.device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_manifest(folder, manifest)
    (folder / CHECKPOINT_NAME).unlink(missing_ok=True)
    return manifest


@torch.no_grad()
def probed(vlm: VisionLanguageModel, trained: Trained) -> Probe:
    """Log-probs on a fixed input with and without the adapter."""
    features = vlm.encode_images([Image.fromarray(make_scan(PROBE_SEED).pixels)])
    row = score_row(vlm, features, PROBE_PROMPT, PROBE_RESPONSE)
    logps = score(vlm, [row])[0][0].tolist()
    with trained.lora.disabled():
        base_logps = score(vlm, [row])[0][0].tolist()
    return Probe(
        image_seed=PROBE_SEED,
        prompt=PROBE_PROMPT,
        response=PROBE_RESPONSE,
        logps=logps,
        base_logps=base_logps,
    )


def _earlier(run: Run) -> list[StageRef]:
    """The stages behind the adapter that the run began from, that one included."""
    if run.start is None:
        return []
    before = run.start.manifest
    return [
        *before.earlier,
        StageRef(
            variant=before.variant.name,
            weights_sha256=before.weights_sha256,
            pairs=before.data.pairs,
            pairs_fingerprint=before.data.fingerprint,
            learning_rate=before.training.learning_rate,
            epochs=before.training.epochs,
            steps=before.training.steps,
            seconds=before.cost.seconds,
        ),
    ]


def _departures(base: Base, variant: Variant, data: PairSet, run: Run) -> list[str]:
    """Every number of the run that is not the variant's, that it is a LoRA, and who else answered."""
    found = [f"A LoRA of rank {run.lora.r}, alpha {run.lora.alpha}, on the language model alone."]
    ours, theirs = vars(run.numbers), vars(variant.numbers)
    if variant.settings:
        said = ", ".join(f"{key} {value}" for key, value in variant.settings.items())
        found.append(f"An ablation: {said}.")
    for name, value in theirs.items():
        if ours[name] != value:
            found.append(f"{name} is {_said(ours[name])}, where the variant has {_said(value)}.")
    answered, began = data.report.policy, policy_name(base, run.start)
    if answered and answered != began:
        found.append(f"The answers in its pairs are those of {answered}; training began from {began}.")
    return found


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
