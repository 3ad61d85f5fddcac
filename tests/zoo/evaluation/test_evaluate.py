"""`medzoo evaluate` as it is typed: benchmarks by name, adapters from a Hub, what is written down."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests._adapters import random_adapter
from zoo.bases import get_base
from zoo.cli.evaluate import evaluate
from zoo.errors import BadInput, DigestMismatch, NotOnHub
from zoo.evaluation.run import read_run
from zoo.hub_publish import publish_folder
from zoo.manifest import WEIGHTS_NAME, predictions_name, read_manifest
from zoo.records import PREDICTIONS_NAME, Prediction, read_jsonl
from zoo.vlm.model import load_base

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "real"


def run(*words: object) -> Result:
    return CliRunner().invoke(evaluate, [str(word) for word in words])


def done(*words: object) -> Result:
    result = run(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "random"
    random_adapter(folder, load_base(get_base("phantom")), seed=0, rank=4, spread=0.2)
    return folder


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    """A copy that may be written into."""
    return Path(shutil.copytree(made, tmp_path / "adapter"))


def test_benchmarks_are_asked_scored_and_recorded_together(adapter: Path, tmp_path: Path) -> None:
    two = ("--benchmark", "phantom", "--benchmark", "phantom/validation")
    numbers = ("--limit", 16, "--ablation", 4, "--max-tokens", 8, "--seed", 3)
    result = done(adapter, *two, *numbers, "--record", "--out", tmp_path / "out")
    answers = read_jsonl(tmp_path / "out" / PREDICTIONS_NAME, Prediction)
    assert len(answers) == 2 * 2 * (16 + 4 + 4)
    assert [p.adapter for p in answers[:48]] == ["base"] * 48
    made = read_run(tmp_path / "out")
    assert [(b.dataset, b.split, b.questions, b.max_tokens) for b in made.benchmarks] == [
        ("phantom", "test", 16, 8),
        ("phantom", "validation", 16, 8),
    ]
    again = "image ablation: 4 questions asked again with noise, 4 with another patient's picture"
    assert all(again in b.notes for b in made.benchmarks)
    assert (made.base, made.precision, made.ablation, made.seed) == (
        get_base("phantom").pinned,
        "float32",
        4,
        3,
    )
    (answered,) = made.adapters
    manifest = read_manifest(adapter)
    assert (answered.name, answered.digest, answered.source) == ("random", manifest.weights_sha256, "")
    assert [b.notes for b in manifest.benchmarks] == [b.notes for b in made.benchmarks]
    assert {(e.split, e.shown) for e in manifest.evaluation} >= {("test", "noise"), ("validation", "other")}
    for split in ("test", "validation"):
        stored = read_jsonl(adapter / predictions_name("phantom", split), Prediction)
        assert stored == [p for p in answers if p.split == split]
    assert f"medzoo report {tmp_path / 'out' / PREDICTIONS_NAME}" in result.stdout
    assert f"medzoo judge {tmp_path / 'out' / PREDICTIONS_NAME}" in result.stdout
    assert f"phantom/test: {again}" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not NAME"),
        ("phantom/", "is not NAME"),
        ("slake=", "is not NAME"),
        ("phantm", "no data set is named"),
        ("phantom/tset", "no split of phantom is named"),
        ("slake/test=/nowhere", "no such folder: /nowhere"),
        ("phantom=.", "phantom needs no folder"),
    ],
)
def test_a_benchmark_that_cannot_be_is_refused_before_the_model_loads(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.vlm.model.load_base", None)
    error = run("--benchmark", text, "--out", tmp_path / "out").exception
    assert isinstance(error, BadInput)
    assert said in error.message
    assert error.hint or "no folder" in said
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_a_hub_answers_at_the_commit_that_its_name_stood_for(
    hub: str, adapter: Path, tmp_path: Path
) -> None:
    sha = publish_folder(adapter, "local/random", message="first", endpoint=hub, tag="v1")
    few = ("--limit", 4, "--ablation", 0)
    result = done("local/random@v1", *few, "--hub", hub, "--out", tmp_path / "out")
    (answered,) = read_run(tmp_path / "out").adapters
    assert answered.source == f"local/random@{sha}"
    done(adapter, *few, "--out", tmp_path / "folder")
    files = [tmp_path / name / PREDICTIONS_NAME for name in ("out", "folder")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "image ablation" not in result.stdout

    refused = run("local/random", "--hub", hub, "--record", "--out", tmp_path / "no").exception
    assert isinstance(refused, BadInput)
    assert "--record writes into folders, and local/random is none" in refused.message
    assert "medzoo pull local/random --to FOLDER" in refused.hint
    missing = run("adapters/radnom", "--hub", hub, "--out", tmp_path / "no").exception
    assert isinstance(missing, NotOnHub)
    assert "there is no folder adapters/radnom" in missing.message
    nonsense = run("radnom", "--hub", hub, "--out", tmp_path / "no").exception
    assert isinstance(nonsense, BadInput)
    assert "'radnom' is no folder and names no repo" in nonsense.message


def test_weights_that_are_not_the_stated_ones_never_answer(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (adapter / WEIGHTS_NAME).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    monkeypatch.setattr("zoo.vlm.model.load_base", None)
    assert isinstance(run(adapter, "--out", tmp_path / "out").exception, DigestMismatch)


def test_of_several_sft_adapters_one_must_be_chosen_before_the_model_loads(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.manifest import write_manifest

    manifest = read_manifest(adapter)
    folders = [Path(shutil.copytree(adapter, tmp_path / name)) for name in ("a", "b")]
    for seed, folder in enumerate(folders):
        named = {
            "variant": manifest.variant.model_copy(update={"name": "sft"}),
            "training": manifest.training.model_copy(update={"seed": seed}),
        }
        write_manifest(folder, manifest.model_copy(update=named))
    with monkeypatch.context() as patch:
        patch.setattr("zoo.vlm.model.load_base", None)
        error = run(*folders, "--out", tmp_path / "out").exception
    assert isinstance(error, BadInput)
    assert error.message == "several SFT adapters: sft-seed0, sft-seed1"
    done(*folders, "--sft", "sft-seed1", "--limit", 4, "--ablation", 0, "--out", tmp_path / "out")


def test_real_questions_are_asked_and_how_their_split_leaks_is_written_down(
    adapter: Path, tmp_path: Path
) -> None:
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not here")
    benchmarks = [word for name in ("vqa-rad", "slake") for word in ("--benchmark", f"{name}/test={REAL}")]
    done(adapter, *benchmarks, "--limit", 12, "--ablation", 4, "--record", "--out", tmp_path / "out")
    leak = "leak: 0 of the {} pictures of test are in train too, 0 more have a near duplicate there"
    asked = {b.dataset: b for b in read_run(tmp_path / "out").benchmarks}
    assert leak.format(48) in asked["vqa-rad"].notes
    assert leak.format(23) in asked["slake"].notes
    recorded = {b.dataset: b for b in read_manifest(adapter).benchmarks}
    assert {name: b.notes for name, b in recorded.items()} == {name: b.notes for name, b in asked.items()}
    answers = read_jsonl(tmp_path / "out" / PREDICTIONS_NAME, Prediction)
    assert {(p.dataset, p.shown) for p in answers} == {
        (name, shown) for name in ("vqa-rad", "slake") for shown in ("own", "noise", "other")
    }
