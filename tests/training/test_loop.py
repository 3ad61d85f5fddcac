"""Training: what moves, what resumes, what stops."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.checkpoint import CHECKPOINT_NAME
from training.data import PairSet, epoch_batches, read_pair_set
from training.execution import Execution
from training.loop import PLAIN_WAY, Run, learning_rate, train
from training.pairs.build import build_pairs
from training.pairs.step import Tools
from training.scoring import BranchScorer, Known
from training.start import Start
from training.variant import Numbers
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.errors import TrainingFailed
from zoo.manifest import read_manifest
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import load_base
from zoo.vlm.store import TensorStore

VARIANT = get_variant("text_hallu")
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """24 pairs."""
    folder = tmp_path_factory.mktemp("data") / "pairs"
    tools = Tools(questions=load_questions("phantom", "train", limit=24), seed=0)
    build_pairs("text_hallu", VARIANT.steps, tools, folder, base="phantom@0")
    return read_pair_set(folder, VARIANT, base="phantom@0")


def a_run(**numbers: float | int) -> Run:
    changed = replace(VARIANT.numbers, **({"learning_rate": 1e-3, "epochs": 2, "batch_size": 8} | numbers))  # type: ignore[arg-type]
    lora = LoraSpec(r=4, alpha=8, dropout=changed.dropout)
    return Run(objective=VARIANT.objective, numbers=changed, lora=lora, seed=0)


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_loss_starts_at_ln_2_and_falls_and_the_margin_rises(data: PairSet, tmp_path: Path) -> None:
    trained = train(load_base(get_base("phantom")), data, a_run(epochs=6), tmp_path, Execution())
    log = log_of(tmp_path)
    assert trained.steps == len(log) == 18
    assert log[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert log[0]["accuracy_over_rejected_response"] == 0.5
    assert log[-1]["loss"] < 0.9 * log[0]["loss"]
    assert log[-1]["margin_over_rejected_response"] > log[0]["margin_over_rejected_response"]


def trained(data: PairSet, run: Run, folder: Path, execution: Execution | None = None) -> Weights:
    """The weights after a run on a base of its own."""
    found = train(load_base(get_base("phantom")), data, run, folder, execution or Execution())
    return {name: tensor.clone() for name, tensor in found.lora.state().items()}


def assert_same(one: Weights, other: Weights, tolerance: float = 0.0) -> None:
    """To the bit, or up to a share of each tensor's length."""
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.norm() > 1e-3, name  # B begins as 0, so it moved
        assert (other[name] - tensor).norm() <= tolerance * tensor.norm(), name


CLOSE = 3e-4
"""What another order of additions makes of six steps of AdamW; they differ by 4e-5 here."""


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_parts_of_a_batch_train_like_the_whole(data: PairSet, tmp_path: Path, micro_batch: int) -> None:
    """Batches of 10, 10 and 4 pairs; parts of 3 leave a part of 1 in each."""
    run = a_run(batch_size=10)
    whole = trained(data, run, tmp_path / "whole")
    parts = trained(data, run, tmp_path / "parts", Execution(micro_batch=micro_batch))
    assert_same(whole, parts, CLOSE)
    for one, other in zip(log_of(tmp_path / "whole"), log_of(tmp_path / "parts"), strict=True):
        assert {k: v for k, v in other.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in one.items() if k != "seconds"}, rel=1e-3, abs=1e-5
        )


def test_layers_that_run_again_train_like_layers_that_are_kept(data: PairSet, tmp_path: Path) -> None:
    kept = trained(data, a_run(), tmp_path / "kept")
    again = trained(data, a_run(), tmp_path / "again", Execution(gradient_checkpointing=True))
    assert_same(kept, again, CLOSE)


def test_shared_prompts_train_like_a_prompt_for_each_response(
    data: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = trained(data, a_run(), tmp_path / "shared")
    monkeypatch.setattr(Run, "shared_prompts", False)
    assert_same(shared, trained(data, a_run(), tmp_path / "plain"), CLOSE)


def test_a_store_that_keeps_all_or_nothing_or_is_warm_changes_nothing(data: PairSet, tmp_path: Path) -> None:
    nothing = trained(data, a_run(), tmp_path / "none", Execution(store=TensorStore(memory_bytes=0)))
    store = TensorStore(tmp_path / "cache")
    cold = trained(data, a_run(), tmp_path / "cold", Execution(store=store))
    warm = trained(data, a_run(), tmp_path / "warm", Execution(store=store))
    from_disk = trained(data, a_run(), tmp_path / "disk", Execution(store=TensorStore(tmp_path / "cache")))
    assert_same(nothing, cold, CLOSE)
    assert_same(cold, warm)
    assert_same(cold, from_disk)


@pytest.mark.parametrize(
    ("numbers", "micro_batch"), [({}, None), ({"dropout": 0.3}, None), ({"dropout": 0.3}, 3)]
)
def test_a_run_stopped_at_a_checkpoint_goes_on_to_the_same_weights(
    data: PairSet, tmp_path: Path, numbers: dict[str, float], micro_batch: int | None
) -> None:
    run = a_run(**numbers)
    whole = trained(data, run, tmp_path / "whole", Execution(checkpoint_every=2, micro_batch=micro_batch))
    trained(data, run, tmp_path / "other", Execution(checkpoint_every=4, micro_batch=micro_batch))
    assert (tmp_path / "other" / CHECKPOINT_NAME).exists()  # of step 4 of 6
    torch.rand(7)  # whatever else was drawn meanwhile
    resumed = trained(data, run, tmp_path / "other", Execution(micro_batch=micro_batch))
    assert {"event": "resumed", "step": 4} in log_of(tmp_path / "other")
    assert [e["step"] for e in log_of(tmp_path / "other") if "loss" in e] == [1, 2, 3, 4, 5, 6]
    assert_same(whole, resumed)


def test_a_resumed_run_fills_its_caches_as_its_first_epoch_did(
    data: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is beside whom decides the last digits; batches of 8 in parts of 5 and 3, three an epoch."""
    asked: list[tuple[int, ...]] = []
    kept = BranchScorer.kept

    def told(self: BranchScorer, numbers: Sequence[int], lora: TrainableLora) -> Known:
        asked.append(tuple(numbers))
        return kept(self, numbers, lora)

    monkeypatch.setattr(BranchScorer, "kept", told)
    execution = Execution(checkpoint_every=4, micro_batch=5)
    trained(data, a_run(), tmp_path, execution)
    first_run = asked.copy()
    asked.clear()
    trained(data, a_run(), tmp_path, Execution(micro_batch=5))
    assert len(first_run) == 12
    assert asked == [*first_run[:6], *first_run[8:]]


def test_a_rank_stabilised_lora_is_scaled_by_the_root_of_its_rank(data: PairSet, tmp_path: Path) -> None:
    """8 / sqrt(4) is 16 / 4 (Kalajdzievski 2023, arXiv 2312.03732)."""
    stabilised, plain = (
        replace(a_run(), lora=LoraSpec(r=4, alpha=alpha, use_rslora=root))
        for alpha, root in ((8, True), (16, False))
    )
    one = trained(data, stabilised, tmp_path / "a")
    assert_same(one, trained(data, plain, tmp_path / "b"))
    other = trained(data, a_run(), tmp_path / "c")
    assert any(not torch.allclose(tensor, other[name], atol=1e-5) for name, tensor in one.items())


def test_how_a_run_is_divided_up_may_change_when_it_goes_on(data: PairSet, tmp_path: Path) -> None:
    whole = trained(data, a_run(), tmp_path / "a")
    trained(data, a_run(), tmp_path / "b", Execution(checkpoint_every=4))
    parts = Execution(micro_batch=2, gradient_checkpointing=True)
    assert_same(whole, trained(data, a_run(), tmp_path / "b", parts), CLOSE)
    assert {"event": "resumed", "step": 4} in log_of(tmp_path / "b")


def test_dropout_takes_the_plain_way_and_says_so_once(
    data: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(dropout=0.3)
    trained(data, run, tmp_path, Execution(checkpoint_every=4))
    said = {"event": "prompts are not shared", "step": 1, "why": PLAIN_WAY}
    assert [entry for entry in log_of(tmp_path) if "event" in entry] == [said]
    assert capsys.readouterr().err.count(PLAIN_WAY) == 1
    trained(data, run, tmp_path)
    assert [e for e in log_of(tmp_path) if "event" in e] == [said, {"event": "resumed", "step": 4}]
    assert PLAIN_WAY not in capsys.readouterr().err


def test_dropout_changes_what_is_learnt_and_another_refuses_the_checkpoint(
    data: PairSet, tmp_path: Path
) -> None:
    without = trained(data, a_run(), tmp_path / "a", Execution(checkpoint_every=4))
    with_it = trained(data, a_run(dropout=0.3), tmp_path / "b")
    assert any(not torch.allclose(tensor, with_it[name], atol=1e-4) for name, tensor in without.items())
    with pytest.raises(TrainingFailed, match=r"dropout is 0\.3 here, and the run in \S+ has 0"):
        trained(data, a_run(dropout=0.3), tmp_path / "a")


def test_the_bar_names_its_stage_counts_pairs_and_goes_on_where_the_run_does(
    data: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bars(execution: Execution) -> str:
        train(load_base(get_base("phantom")), data, a_run(), tmp_path, execution, title="DPO (2 of 3)")
        return capsys.readouterr().err

    err = bars(Execution(checkpoint_every=4))
    assert "DPO (2 of 3): 100%" in err
    assert "48/48" in err
    assert "pair/s" in err
    assert "accuracy=" in err
    err = bars(Execution())
    assert "DPO (2 of 3), caches: 100%" in err
    assert "32/48" in err


def test_a_checkpoint_of_another_run_is_refused_naming_what_differs(data: PairSet, tmp_path: Path) -> None:
    train(load_base(get_base("phantom")), data, a_run(), tmp_path, Execution(checkpoint_every=4))
    with pytest.raises(TrainingFailed, match=r"learning_rate is 0\.002 here, and the run in \S+ has 0\.0"):
        train(load_base(get_base("phantom")), data, a_run(learning_rate=2e-3), tmp_path, Execution())


def test_a_loss_that_is_not_finite_stops_and_names_the_pairs(data: PairSet, tmp_path: Path) -> None:
    vlm = load_base(get_base("phantom"))
    with torch.no_grad():
        vlm.model.lm_head.weight[0, 0] = float("nan")
    with pytest.raises(TrainingFailed, match=r"of 8, the pairs phantom-train-\d{6}-\d{2}/pair \(nan\), "):
        train(vlm, data, a_run(), tmp_path, Execution())


def test_a_loss_that_has_run_away_stops_before_its_step_and_names_the_worst_pairs_first(
    data: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.loop.exploded", lambda loss, before: len(before) == 2)
    with pytest.raises(TrainingFailed, match=r"^step 3: the loss is 0\.\d+ and .* of 8, the pairs") as stop:
        trained(data, a_run(learning_rate=1e-2), tmp_path)
    worst = [float(loss) for loss in re.findall(r"/pair \(([\d.]+)\)", str(stop.value))]
    assert len(worst) == 5
    assert worst == sorted(worst, reverse=True)
    assert worst[0] > worst[-1]
    assert [entry["step"] for entry in log_of(tmp_path)] == [1, 2]


def test_only_the_lora_moves(data: PairSet, tmp_path: Path) -> None:
    vlm = load_base(get_base("phantom"))
    before = {name: p.clone() for name, p in vlm.model.named_parameters()}
    trained = train(vlm, data, a_run(), tmp_path, Execution())
    after = {name.replace(".base_layer", ""): p for name, p in vlm.model.named_parameters()}
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    assert all("language_model" in name for name in trained.lora.state())
    assert len(trained.lora.state()) == 2 * 7 * vlm.model.config.text_config.num_hidden_layers


def test_the_learning_rate_warms_up_and_falls_to_nothing() -> None:
    """100 steps, 3 of them warm-up: a third, two thirds, whole; half way down the cosine, a half; then 0."""
    numbers = Numbers(learning_rate=1.0)
    rates = [learning_rate(step, 100, numbers) for step in range(100)]
    assert rates[:4] == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])
    assert learning_rate(51, 99, numbers) == pytest.approx(0.5)  # (51 - 3) of 96
    assert rates[-1] < 0.001
    assert learning_rate(50, 100, replace(numbers, schedule="constant")) == 1.0


def test_every_epoch_sees_every_pair_once_in_an_order_of_its_own() -> None:
    first, second = (epoch_batches(10, batch_size=4, epoch=e, seed=0) for e in (0, 1))
    assert sorted(n for batch in first for n in batch) == list(range(10))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert first != second
    assert first == epoch_batches(10, batch_size=4, epoch=0, seed=0)


@pytest.mark.slow
def test_a_run_killed_between_checkpoints_ends_bit_for_bit_like_one_that_was_not(
    tmp_path: Path, tune: Callable[[str], Path]
) -> None:
    """`kill -9` a real process; the same command goes on from the checkpoint."""
    pairs = tune("text_hallu") / "pairs"

    def command(out: Path) -> list[str]:
        words = ["train", "text_hallu", "--pairs", str(pairs), "--out", str(out), "--batch-size", "4"]
        long = ["--epochs", "9"]  # enough that it is not done before it is seen to be under way
        return [sys.executable, "-m", "zoo", *words, *long, "--rank", "4", "--checkpoint-every", "10"]

    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    child = subprocess.Popen(
        command(tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = tmp_path / "killed" / "log.jsonl"
    deadline = time.monotonic() + 300
    while not (log.exists() and len(log.read_text().splitlines()) >= 13):
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "killed" / "zoo.json").exists()
    subprocess.run(command(tmp_path / "killed"), check=True, capture_output=True)
    events = [entry for entry in log_of(tmp_path / "killed") if "event" in entry]
    assert len(events) == 1
    assert events[0]["step"] >= 10
    whole, killed = (load_file(tmp_path / n / "adapter_model.safetensors") for n in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, killed[name]), name
    assert (
        read_manifest(tmp_path / "killed").weights_sha256 == read_manifest(tmp_path / "whole").weights_sha256
    )


def test_a_shared_cache_tells_apart_eyes_and_the_scale_of_a_start(data: PairSet, tmp_path: Path) -> None:
    """Each run begins at its own reference, so its first loss is ln 2 whatever the runs before it kept."""
    store, said = TensorStore(), set()
    for number, (mean, rslora) in enumerate([(0.5, False), (0.2, False), (0.5, True)]):
        vlm = load_base(get_base("phantom"))
        vlm.image_processor.image_mean = [mean] * 3
        shape = LoraSpec(r=4, alpha=8, use_rslora=rslora)
        lora = TrainableLora(vlm, shape, seed=0)
        torch.manual_seed(1)
        tensors = {name: one + 0.1 * torch.randn_like(one) for name, one in lora.state().items()}
        lora.remove()
        start = Start(identity="a", digest="d" * 64, lora=shape, tensors=tensors, manifest=None)  # type: ignore[arg-type]
        run = replace(a_run(epochs=1), lora=shape, start=start)
        train(vlm, data, run, tmp_path / str(number), Execution(store=store))
        first, *others = log_of(tmp_path / str(number))
        assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
        said.add(others[-1]["loss"])
    assert len(said) == 3
