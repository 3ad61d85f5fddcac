"""A list of variants in one run: what they share, what one that fails leaves, what a stop leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.cells import cell_of
from training.cli.options import after_sft
from training.execution import Execution
from training.objective import missing_halves
from training.pairs.build import PAIRS_NAME
from training.several import Outcome, endings, run_several
from training.stages import Job, Sources, run_stages
from training.variant import Variant
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.errors import BadInput, TrainingFailed
from zoo.hub import files_of
from zoo.manifest import LIST_NAME, WEIGHTS_NAME
from zoo.records import PreferencePair, read_jsonl
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.store import Tensors, TensorStore


class Told(TensorStore):
    """A store that remembers what it was told to keep."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    def put(self, found: Mapping[str, Tensors]) -> None:
        self.keys += found
        super().put(found)


def base() -> VisionLanguageModel:
    return load_base(get_base("phantom"))


def job(limit: int = 8, *, seed: int = 0) -> Job:
    sources = Sources(questions=load_questions("phantom", "train", limit=limit), seed=0)
    return Job(sources=sources, seed=seed, changes={"epochs": 1, "batch_size": 4})


def train(
    out: Path, *names: str | Variant, of: Job | None = None, sft: Variant | None = None
) -> list[Outcome]:
    variants = [get_variant(name) if isinstance(name, str) else name for name in names]
    return run_several(
        base, variants, of or job(), out, find_start=lambda vlm: None, sft=sft, say=lambda message: None
    )


def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS_NAME).read_bytes()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Outcome], Told]:
    out, store = tmp_path_factory.mktemp("several") / "all", Told()
    of = replace(job(), execution=Execution(store=store))
    return train(out, "text_hallu", "text_hallu_nll", "image_noise", "povid", of=of), store


def test_pairs_with_the_same_steps_are_made_once_and_the_report_names_whose_they_are(
    together: tuple[list[Outcome], Told],
) -> None:
    outcomes, _ = together
    sets = sorted(path.name for path in (outcomes[0].folder.parent / "pairs").iterdir())
    assert [name.rpartition("-")[0] for name in sets] == ["GaussianNoise", "Hallucinate"]
    prints = [o.manifest.data.fingerprint for o in outcomes if o.manifest]
    assert prints[0] == prints[1] != prints[2]
    assert outcomes[3].manifest is not None
    assert outcomes[3].manifest.earlier[0].pairs_fingerprint == prints[0]  # POVID's first stage


def test_each_image_is_seen_once_and_the_reference_is_asked_each_thing_once(
    together: tuple[list[Outcome], Told],
) -> None:
    """POVID's second stage has a reference of its own; all else has the base."""
    outcomes, store = together
    noise, hallu = sorted((outcomes[0].folder.parent / "pairs").iterdir())
    second, povid = outcomes[3].folder / "pairs", get_variant("povid")
    pictures = {path.read_bytes() for folder in (noise, hallu, second) for path in folder.rglob("*.png")}
    asked = set()
    for variant, folder, reference in (
        (get_variant("text_hallu"), hallu, "base"),
        (get_variant("text_hallu_nll"), hallu, "base"),
        (get_variant("image_noise"), noise, "base"),
        (povid.earlier[0], hallu, "base"),
        (povid, second, "its first stage"),
    ):
        for pair in read_jsonl(folder / PAIRS_NAME, PreferencePair):
            for branch, missing in missing_halves(variant.objective).items():
                cell = cell_of(pair, branch, {branch: missing})
                assert cell is not None
                seen = tuple((folder / name).read_bytes() for name in cell.images)
                asked.add((reference, seen, cell.prompt, cell.response))
    counts = Counter(key.split()[0] for key in store.keys)
    assert counts == {"image": len(pictures), "reference": len(asked)}


def test_adapters_trained_together_are_those_trained_alone(
    together: tuple[list[Outcome], Told], tmp_path: Path
) -> None:
    """To the bit where all that a variant asked was asked for it, or in the same batches; what the reference
    said in another variant's batch differs in the last digits."""
    vlm = base()
    for outcome in together[0]:
        run_stages(vlm, get_variant(outcome.variant), job(), tmp_path / outcome.variant)
        if outcome.variant != "image_noise":
            assert weights(tmp_path / outcome.variant) == weights(outcome.folder), outcome.variant
            continue
        alone, shared = (
            load_file(folder / WEIGHTS_NAME) for folder in (tmp_path / "image_noise", outcome.folder)
        )
        for name, tensor in alone.items():
            torch.testing.assert_close(shared[name], tensor, atol=1e-6, rtol=0)


def test_what_a_run_ended_with_is_the_mean_over_its_last_tenth(tmp_path: Path) -> None:
    lines = [{"step": n, "loss": float(n), "accuracy_over_rejected_response": n / 40} for n in range(1, 21)]
    resumed = {"event": "resumed", "step": 20}
    text = "".join(json.dumps(line) + "\n" for line in [*lines, resumed])
    (tmp_path / "log.jsonl").write_text(text, encoding="utf-8")
    assert endings(tmp_path) == {"loss": 19.5, "accuracy_over_rejected_response": 0.4875}


def test_a_variant_that_fails_ends_no_other_and_its_lora_stays_on_no_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose rate blows it up, and one that asks of the questions what they do not have."""
    of = job()
    nothing_given = replace(of.sources, questions=replace(of.sources.questions, given={}))
    wild = get_variant("text_hallu", {"learning_rate": "1e30"})
    tuned: list[bool] = []

    def seen(vlm: VisionLanguageModel, *words: object, **more: object) -> object:
        tuned.append(any("lora" in name for name, _ in vlm.model.named_parameters()))
        return run_stages(vlm, *words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("training.several.run_stages", seen)
    outcomes = train(tmp_path / "all", wild, "dpo", "text_hallu_nll", of=replace(of, sources=nothing_given))
    assert tuned == [False, False]
    assert [bool(outcome.manifest) for outcome in outcomes] == [False, False, True]
    assert [outcome.fits for outcome in outcomes] == [True, False, True]
    assert "the loss is" in outcomes[0].reason
    assert "8 no rejected response is given" in outcomes[1].reason
    run_stages(base(), get_variant("text_hallu_nll"), of, tmp_path / "alone")
    assert weights(outcomes[2].folder) == weights(tmp_path / "alone")


def test_a_list_that_was_stopped_goes_on_and_may_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def stopped_at_the_second(*words: object, **more: object) -> object:
        calls.append(words[1].name)  # type: ignore[attr-defined]
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run_stages(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("training.several.run_stages", stopped_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "all", "text_hallu", "text_hallu_nll")
    first = (tmp_path / "all" / "text_hallu" / WEIGHTS_NAME).stat().st_mtime_ns
    outcomes = train(tmp_path / "all", "image_noise", "text_hallu", "text_hallu_nll")
    assert calls == ["text_hallu", "text_hallu_nll", "image_noise", "text_hallu_nll"]
    assert [o.variant for o in outcomes if o.manifest] == ["image_noise", "text_hallu", "text_hallu_nll"]
    assert (tmp_path / "all" / "text_hallu" / WEIGHTS_NAME).stat().st_mtime_ns == first


def test_adapters_of_another_job_are_never_taken_for_finished_ones(
    together: tuple[list[Outcome], Told], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"seed is 1 here, and the run in \S+ has 0"):
        train(together[0][0].folder.parent, "text_hallu", "text_hallu_nll", of=job(seed=1))
    (tmp_path / "all" / "text_hallu").mkdir(parents=True)  # as if `medzoo train text_hallu` had made it
    with pytest.raises(BadInput, match="text_hallu is of another command"):
        train(tmp_path / "all", "text_hallu", "text_hallu_nll")
    assert not (tmp_path / "all" / LIST_NAME).exists()


def test_with_sft_as_reference_all_begin_from_one_sft_adapter(tmp_path: Path) -> None:
    """As `--reference sft` has it for one; SFT keeps its own numbers, so the epochs asked for are not its."""
    sft, text, visual = train(tmp_path / "all", "sft", "text_hallu", "image_noise", sft=get_variant("sft"))
    assert sft.manifest is not None
    assert sft.manifest.training.start_from == "base"
    assert sft.manifest.training.epochs == get_variant("sft").numbers.epochs
    begun = f"sft@{sft.manifest.weights_sha256[:12]}"
    assert [o.manifest and o.manifest.training.reference for o in (text, visual)] == [begun, begun]
    run_stages(base(), after_sft(get_variant("text_hallu")), job(), tmp_path / "alone")
    assert weights(tmp_path / "alone") == weights(text.folder)


def test_without_the_sft_adapter_that_all_begin_from_nothing_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TrainingFailed("the loss is nan")

    monkeypatch.setattr("training.several.run_stages", fails)
    with pytest.raises(TrainingFailed, match="sft, which the others were to begin from: the loss is nan"):
        train(tmp_path / "all", "text_hallu", "image_noise", sft=get_variant("sft"))


def test_neither_pairs_nor_stages_nor_a_cache_are_among_the_files_that_are_published(
    together: tuple[list[Outcome], Told],
) -> None:
    folder = together[0][3].folder
    (folder / "cache").mkdir()
    (folder / "cache" / "tensors-1").write_bytes(b"features")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"cache", "pairs", "stages"}
    found = files_of(folder)
    assert WEIGHTS_NAME in found
    assert [name for name in found if "/" in name] == []


@pytest.mark.slow
def test_a_list_that_was_killed_goes_on_where_it_was_to_the_bit(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "zoo", "train", "text_hallu", "mdpo"]
    words += ["--limit", "96", "--epochs", "2", "--batch-size", "4", "--checkpoint-every", "5", "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    out = tmp_path / "killed"
    child = subprocess.Popen([*words, str(out)], env=environment)
    log = out / "mdpo" / "log.jsonl"
    deadline = time.monotonic() + 300
    while not (log.exists() and len(log.read_text().splitlines()) >= 12):
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (out / "mdpo" / WEIGHTS_NAME).exists()
    assert (out / "cache" / "tensors-1").stat().st_size > 0
    first = (out / "text_hallu" / WEIGHTS_NAME).stat().st_mtime_ns
    said = subprocess.run([*words, str(out)], env=environment, check=True, capture_output=True, text=True)
    assert "text_hallu was finished before" in said.stdout
    assert (out / "text_hallu" / WEIGHTS_NAME).stat().st_mtime_ns == first
    subprocess.run([*words, str(tmp_path / "whole")], env=environment, check=True, capture_output=True)
    for name in ("text_hallu", "mdpo"):
        assert weights(out / name) == weights(tmp_path / "whole" / name)
        steps = [json.loads(line) for line in (out / name / "log.jsonl").read_text().splitlines()]
        steps = [entry["step"] for entry in steps if "event" not in entry]
        assert steps == list(range(1, len(steps) + 1))
    assert not (out / "cache").exists()
