"""Stages: where each begins, what its reference is, and what a kill leaves."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.cli.options import after_sft, find_start
from training.data import read_pair_set
from training.execution import Execution
from training.processes import Processes
from training.stages import Job, Sources, make_pairs, resolved_numbers, run_stages
from training.start import read_start
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.errors import BadInput, DigestMismatch
from zoo.manifest import JOB_NAME, MANIFEST_NAME, read_manifest
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
    variant = after_sft(get_variant("text_hallu"))
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


def test_a_model_that_is_shared_out_is_not_asked_for_pairs_before_anything_is_trained(tmp_path: Path) -> None:
    """Rounds on the model's own answers: only their first pairs could be made beforehand."""
    vlm, variant, shared = load_base(get_base("phantom")), get_variant("sima"), Processes(sharded=True)
    assert variant.needs_policy
    asked = replace(job(), execution=Execution(processes=shared))
    with pytest.raises(BadInput, match=r"answers of the model.*\n.*medzoo pairs sima --out DIR first"):
        run_stages(vlm, variant, asked, tmp_path / "a")
    assert not (tmp_path / "a").exists()


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


def test_all_stages_have_the_shape_of_the_variant_or_the_one_that_was_asked_for(tmp_path: Path) -> None:
    """The phantom caps the paper's 128 at 16, and says so; a rank that is asked for holds from stage 1 on."""
    vlm = load_base(get_base("phantom"))
    manifest = run_stages(vlm, after_sft(get_variant("text_hallu")), job(rank=4), tmp_path / "a")
    sft = read_manifest(tmp_path / "a" / "stages" / "1-sft")
    assert [(m.lora.r, m.lora.alpha) for m in (sft, manifest)] == [(4, 8), (4, 8)]
    capped = run_stages(vlm, get_variant("mmedpo"), job(), tmp_path / "b").variant.departures
    assert "rank is 16, where the variant has 128." in capped
    assert "alpha is 32, where the variant has 256." in capped
    assert "learning_rate is 0.0001, where the variant has 1e-07." in capped


def test_a_rank_other_than_the_starts_is_refused_before_anything_is_made(
    tune: Callable[[str], Path], tmp_path: Path
) -> None:
    vlm = load_base(get_base("phantom"))
    start = read_start(vlm, tune("sft"))
    with pytest.raises(BadInput, match=r"rank is to be 8, .* an adapter whose rank is 4"):
        run_stages(vlm, get_variant("dpo"), job(rank=8), tmp_path / "a", start=start)
    with pytest.raises(BadInput, match="rank is to be 8"):
        run_stages(vlm, get_variant("dpo", {"rank": "8"}), job(), tmp_path / "a", start=start)
    assert not (tmp_path / "a").exists()


def test_pairs_made_before_go_to_the_first_stage_that_has_their_steps(tmp_path: Path) -> None:
    """With SFT trained first, the pairs are the variant's; SFT takes the questions."""
    vlm, hallu = load_base(get_base("phantom")), get_variant("text_hallu")
    report = make_pairs(hallu, vlm.base, job().sources, tmp_path / "pairs")
    run = replace(job(), pairs=tmp_path / "pairs")
    manifest = run_stages(vlm, after_sft(hallu), run, tmp_path / "a")
    assert manifest.data.fingerprint == report.fingerprint
    assert read_pair_set(tmp_path / "a/stages/1-sft/pairs", get_variant("sft"), base=vlm.base.pinned).pairs
    with pytest.raises(BadInput, match="pairs of the variant text_hallu, made otherwise than those of mdpo"):
        run_stages(vlm, get_variant("mdpo"), run, tmp_path / "b")


def test_pairs_of_another_data_set_than_the_later_stages_questions_are_refused(tmp_path: Path) -> None:
    vlm, povid = load_base(get_base("phantom")), get_variant("povid")
    elsewhere = replace(job().sources, questions=load_questions("phantom", "validation", limit=16))
    make_pairs(povid.earlier[0], vlm.base, elsewhere, tmp_path / "pairs")
    with pytest.raises(BadInput, match=r"holds pairs of phantom/validation, .* from phantom/train"):
        run_stages(vlm, povid, replace(job(), pairs=tmp_path / "pairs"), tmp_path / "a")
    run_stages(vlm, get_variant("text_hallu"), replace(job(), pairs=tmp_path / "pairs"), tmp_path / "b")


def test_answers_of_another_model_than_the_start_are_named(
    tune: Callable[[str], Path], tmp_path: Path
) -> None:
    """Pairs of the base's own answers, and a run that goes on from an SFT adapter."""
    vlm, sima = load_base(get_base("phantom")), get_variant("sima")
    run = replace(job(24), pairs=tmp_path / "pairs")
    make_pairs(sima, vlm.base, run.sources, tmp_path / "pairs", vlm=vlm)
    start = read_start(vlm, tune("sft"))
    from_sft = run_stages(vlm, sima, run, tmp_path / "a", start=start).variant.departures
    said = f"The answers in its pairs are those of {vlm.base.pinned}; training began from {vlm.base.pinned}+"
    assert any(departure.startswith(said) for departure in from_sft)
    from_base = run_stages(vlm, sima, run, tmp_path / "b").variant.departures
    assert not any("answers in its pairs" in departure for departure in from_base)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(job(), seed=1), r"seed is 1 here, and the run in \S+/a has 0"),
        (job(8), r"number of questions is 8 here, and the run in \S+/a has 16"),
        (job(epochs=2), r"epochs is 2 here, and the run in \S+/a has 1"),
    ],
)
def test_an_unfinished_run_of_another_job_is_refused(
    other: Job, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its first stage; that stage would else be taken for the other job's."""
    vlm, povid = load_base(get_base("phantom")), get_variant("povid")
    with monkeypatch.context() as patch:
        patch.setattr("training.stages.read_start", stop)
        with pytest.raises(KeyboardInterrupt):
            run_stages(vlm, povid, job(), tmp_path / "a")
    assert (tmp_path / "a" / "stages" / "1-povid-stage-1" / MANIFEST_NAME).exists()
    with pytest.raises(BadInput, match=said):
        run_stages(vlm, povid, other, tmp_path / "a")
    run_stages(vlm, povid, job(), tmp_path / "a")
    assert not (tmp_path / "a" / JOB_NAME).exists()


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_licence_is_never_wider_than_that_of_the_adapter_which_training_began_from(
    tune: Callable[[str], Path], tmp_path: Path
) -> None:
    vlm = load_base(get_base("phantom"))
    start = read_start(vlm, tune("sft"))
    narrow = start.manifest.model_copy(update={"license": "apache-2.0 and proprietary"})
    manifest = run_stages(
        vlm, get_variant("text_hallu"), job(8), tmp_path / "a", start=replace(start, manifest=narrow)
    )
    assert manifest.license == "apache-2.0 and proprietary"
