"""The verbs as users meet them: wrong input is refused before any work, and what to type next is named."""

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from training.cli.pairs import pairs as pairs_verb
from training.cli.train import train as train_verb
from zoo.cli.evaluate import evaluate as evaluate_verb
from zoo.errors import BadInput, ZooError
from zoo.manifest import read_manifest

VERBS = {"pairs": pairs_verb, "train": train_verb, "evaluate": evaluate_verb}


def run(verb: str, *words: object) -> Result:
    return CliRunner().invoke(VERBS[verb], [str(word) for word in words])


def refusal(verb: str, *words: object) -> ZooError:
    """What the verb says no with; a traceback of any other kind fails the test."""
    error = run(verb, *words).exception
    assert isinstance(error, ZooError), repr(error)
    return error


def next_commands(result: Result) -> list[list[str]]:
    starts = ("  next: medzoo ", "  then: medzoo ", "  or: medzoo ")
    return [shlex.split(line)[2:] for line in result.output.splitlines() if line.startswith(starts)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Pairs of few questions, in a folder whose name needs quotes."""
    out = tmp_path_factory.mktemp("made") / "my pairs"
    return out, run("pairs", "text_hallu", "--limit", 24, "--out", out)


def test_each_verb_names_the_next_command_and_it_runs_as_printed(made: tuple[Path, Result]) -> None:
    out, result = made
    assert result.exit_code == 0, result.output
    train, publish = next_commands(result)
    assert publish == ["publish", str(out), "OWNER/NAME"]
    trained = run(*train, "--epochs", 1)
    assert trained.exit_code == 0, trained.output
    adapter = Path(train[train.index("--out") + 1])
    assert (
        read_manifest(adapter).data.fingerprint == json.loads((out / "pairs.json").read_text())["fingerprint"]
    )
    assert "guessing the chosen response by length alone" in trained.output
    evaluate, publish = next_commands(trained)
    assert evaluate[-1] == "--record"
    assert publish == ["publish", str(adapter), "OWNER/NAME"]
    assert run(*evaluate, "--limit", 6).exit_code == 0
    assert read_manifest(adapter).evaluation


def test_pairs_made_before_need_no_questions_and_another_data_set_beside_them_is_refused(
    made: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("questions were loaded")

    monkeypatch.setattr("zoo.datasets.load_questions", loaded)
    words = ("train", "text_hallu", "--pairs", made[0], "--epochs", 1, "--out", tmp_path / "adapter")
    error = refusal(*words, "--dataset", "slake")
    assert "are of phantom/train" in error.message
    assert "split" in refusal(*words, "--split", "test").hint
    assert not (tmp_path / "adapter").exists()
    assert run(*words, "--dataset", "phantom").exit_code == 0


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_an_out_where_no_folder_can_be_is_refused_before_the_model_loads(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("zoo.vlm.model.load_base", loaded)
    file = tmp_path / "file"
    file.write_text("mine")
    variant = () if verb == "evaluate" else ("mdpo",)
    for out in (file, file / "below"):
        assert "choose another --out" in refusal(verb, *variant, "--limit", 4, "--out", out).hint
    assert file.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_of_pairs_is_never_written_over(made: tuple[Path, Result]) -> None:
    before = sorted(made[0].rglob("*"))
    assert "exists already" in refusal("pairs", "text_hallu", "--out", made[0]).message
    assert sorted(made[0].rglob("*")) == before


def test_a_sample_says_of_how_many_and_a_reference_without_effect_is_told(tmp_path: Path) -> None:
    result = run("pairs", "text_hallu", "--limit", 6, "--reference", "sft", "--out", tmp_path / "pairs")
    assert "a sample of 6 of its " in result.output
    assert "--reference sft makes no difference" in result.output


@pytest.mark.parametrize("words", [("--llm-model", "m"), ("--llm", "http://127.0.0.1:9/v1")])
def test_an_endpoint_without_its_model_or_a_model_without_its_endpoint_is_refused(
    words: tuple[str, str], tmp_path: Path
) -> None:
    error = refusal("pairs", "text_hallu", "--limit", 4, *words, "--out", tmp_path / "pairs")
    assert error.hint == "--llm URL --llm-model NAME"
    assert isinstance(error, BadInput)
    assert not any(tmp_path.iterdir())
