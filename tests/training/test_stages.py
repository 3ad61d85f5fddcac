"""Stages: where each begins, what its reference is, and what a kill leaves."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.cli.options import after_sft, find_start
from training.stages import Job, Sources, resolved_numbers, run_stages
from training.start import read_start
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.errors import BadInput, DigestMismatch
from zoo.manifest import MANIFEST_NAME, read_manifest
from zoo.vlm.lora import TrainableLora
from zoo.vlm.model import load_base
from zoo.vlm.score import score, score_row


def job(limit: int = 16, **changes: float) -> Job:
    sources = Sources(questions=load_questions("phantom", "train", limit=limit), seed=0)
    return Job(sources=sources, seed=0, changes={"epochs": 1, "batch_size": 8, **changes})


def first_loss(folder: Path) -> float:
    return float(json.loads((folder / "log.jsonl").read_text().splitlines()[0])["loss"])


def test_a_run_on_an_sft_adapter_begins_and_is_measured_there(tmp_path: Path) -> None:
    """DPO at its first step is ln 2 only if the reference is the start; and the base's own weights stay."""
    vlm = load_base(get_base("phantom"))
    before = {name: p.clone() for name, p in vlm.model.named_parameters()}
    variant = replace(after_sft(get_variant("text_hallu")))
    manifest = run_stages(vlm, variant, job(), tmp_path / "a")
    assert first_loss(tmp_path / "a") == pytest.approx(0.6931, abs=1e-4)
    sft = read_manifest(tmp_path / "a" / "stages" / "1-sft")
    assert manifest.training.start_from == manifest.training.reference == f"sft@{sft.weights_sha256[:12]}"
    assert [stage.variant for stage in manifest.earlier] == ["sft"]
    assert manifest.weights_sha256 != sft.weights_sha256
    after = dict(vlm.model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_the_reference_is_the_start_and_not_the_base(tune: Callable[[str], Path]) -> None:
    vlm = load_base(get_base("phantom"))
    start = read_start(vlm, tune("sft"))
    features = vlm.encode_images(
        [load_questions("phantom", "test", limit=1).open_image("phantom/test/000001.png")]
    )
    row = score_row(vlm, features, "What does this scan show?", "A nodule.")
    with torch.no_grad():
        base = score(vlm, [row])[0]
        lora = TrainableLora(vlm, start.lora, seed=0, start=start.tensors)
        begun = score(vlm, [row])[0]
        for parameter in lora.parameters:
            parameter += 0.05
        moved = score(vlm, [row])[0]
        with lora.at_start():
            assert torch.equal(score(vlm, [row])[0], begun)
        assert torch.equal(score(vlm, [row])[0], moved)
        lora.remove()
        assert torch.equal(score(vlm, [row])[0], base)
    assert not torch.allclose(base, begun)
    assert not torch.allclose(begun, moved)


def test_a_stage_that_is_finished_is_not_trained_again(tmp_path: Path) -> None:
    vlm, variant = load_base(get_base("phantom")), get_variant("povid")
    run_stages(vlm, variant, job(), tmp_path / "a")
    first = tmp_path / "a" / "stages" / "1-povid-stage-1"
    weights = (first / "adapter_model.safetensors").stat().st_mtime_ns
    last = (tmp_path / "a" / "adapter_model.safetensors").read_bytes()
    (tmp_path / "a" / MANIFEST_NAME).unlink()  # as if killed before the end of the last stage
    run_stages(vlm, variant, job(), tmp_path / "a")
    assert (first / "adapter_model.safetensors").stat().st_mtime_ns == weights
    assert (tmp_path / "a" / "adapter_model.safetensors").read_bytes() == last
    with pytest.raises(BadInput, match="holds a finished adapter"):
        run_stages(vlm, variant, job(), tmp_path / "a")


def test_rounds_begin_where_the_last_one_ended(tmp_path: Path) -> None:
    """Two rounds of self-rewarding: the second's answers and reference are the first's adapter."""
    manifest = run_stages(
        load_base(get_base("phantom")), get_variant("self_rewarding"), job(24), tmp_path / "a"
    )
    first = read_manifest(tmp_path / "a" / "stages" / "1-self_rewarding")
    assert manifest.training.reference == f"self_rewarding@{first.weights_sha256[:12]}"
    report = json.loads((tmp_path / "a" / "pairs" / "pairs.json").read_text())
    assert report["policy"].endswith(f"+{first.weights_sha256[:12]}")


def test_weights_that_changed_are_no_starting_point(tune: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in tune("sft").iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(DigestMismatch):
        find_start(load_base(get_base("phantom")), str(folder))


def test_a_reference_that_is_nothing_known_is_refused() -> None:
    with pytest.raises(BadInput, match="neither base, sft, a folder, nor a repo"):
        find_start(load_base(get_base("phantom")), "stf")


def test_a_base_scales_the_rate_and_caps_the_rank_and_alpha_with_it() -> None:
    numbers = resolved_numbers(get_variant("fire_mpo"), get_base("phantom"), {})
    assert (numbers.learning_rate, numbers.rank, numbers.alpha) == (pytest.approx(1e-3), 16, 32)
    assert resolved_numbers(get_variant("fire_mpo"), get_base("phantom"), {"rank": 4}).alpha == 8
