"""The verbs as users meet them: wrong input is refused before any work, and what to type next is named."""

import inspect
import json
import re
import shlex
import shutil
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result

from training.cli.ending import table
from training.cli.execution import EXECUTION_NAMES, opened_store
from training.cli.options import made_before
from training.cli.pairs import pairs as pairs_verb
from training.cli.train import train as train_verb
from training.execution import Execution
from training.pairs.report import read_report
from training.processes import Processes
from training.several import Outcome
from training.variants import variants
from zoo.cli.evaluate import evaluate as evaluate_verb
from zoo.errors import BadInput, TrainingFailed, ZooError
from zoo.manifest import AdapterManifest, Cost, DataRef, TrainingRef, read_manifest
from zoo.vlm.store import TensorStore

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
    assert f"  see: {adapter / 'training.png'}\n" in trained.output
    assert (adapter / "training.png").exists()
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


def test_of_several_variants_those_that_fit_are_trained_and_the_others_are_named(
    made: tuple[Path, Result], tmp_path: Path
) -> None:
    """--all on pairs of one recipe: variants with another are left out, with the reason."""
    few = tmp_path / "few"
    assert run("pairs", "targeted_mdpo", "--limit", 8, "--out", few).exit_code == 0
    words = ("--pairs", few, "--epochs", 1, "--out", tmp_path / "all")
    result = run("train", "--all", *words)
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.split()[:1]}
    assert set(variants()) <= set(rows)
    left_out = {name for name in variants() if "does not fit here: " in rows[name]}
    assert set(variants()) - left_out == {"targeted_copo", "targeted_mdpo"}
    assert str(tmp_path / "all" / "targeted_copo") in rows["targeted_copo"]
    evaluate, publish = next_commands(result)
    adapters = [str(tmp_path / "all" / name) for name in ("targeted_copo", "targeted_mdpo")]
    assert evaluate[:3] == ["evaluate", *adapters]
    assert publish == ["publish", adapters[0], "OWNER/NAME"]
    assert "[1 of 2] targeted_copo" in result.output
    assert "[2 of 2] targeted_mdpo" in result.output
    assert f"  see: {tmp_path / 'all' / '*' / 'training.png'}\n" in result.output
    again = run("train", "--all", *words)
    assert f"targeted_copo was finished before, in {adapters[0]}" in again.output
    error = refusal("train", "text_hallu", "targeted_copo", *words)
    made_otherwise = "holds pairs of the variant targeted_mdpo, made otherwise than those of text_hallu"
    assert error.message == f"{few} {made_otherwise}"
    again = "medzoo train text_hallu targeted_copo --epochs 1 --dataset phantom --split train --out "
    assert error.hint == f"{again}{tmp_path / 'all'}"
    error = refusal("train", "sft", "--limit", 4, "--out", tmp_path / "all")
    assert "adapters of several" in error.message
    assert error.hint == (
        "type the list's command again (several.json names its variants), or choose another --out"
    )


def test_a_variant_that_fails_gives_status_1_and_its_reason(tmp_path: Path) -> None:
    words = ("text_hallu", "sft", "--limit", 4, "--epochs", 2, "--batch-size", 2, "--learning-rate", 1e30)
    result = run("train", *words, "--out", tmp_path / "all")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "text_hallu failed: step" in result.output
    assert next_commands(result) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which variants?"),
        (("sfd",), "no variant is named 'sfd'"),
        (("sft", "--base", "fantom"), "no base is named 'fantom'"),
        (("sft", "--dataset", "fantom"), "no data set is named 'fantom'"),
        (("sft", "--reference", "stf"), "--reference stf is neither base, sft, a folder, nor a repo"),
        (("--all", "sft"), "which variants?"),
        (("sft", "sft"), "sft is named twice"),
        (("sft", "text_hallu", "--set", "beta=0.2"), "sft: no field of this variant is named 'beta'"),
        (("sft", "nothing"), "nothing: no variant is named 'nothing'"),
        (("sft", "--dtype", "float16"), "--dtype float16 does not train: small gradients are zero in it"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_model_loads(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.vlm.model.load_base", lambda *_, **__: pytest.fail("the model was loaded"))
    assert refusal("train", *words, "--limit", 4, "--out", tmp_path / "out").message == said
    assert not any(tmp_path.iterdir())


def test_what_is_made_once_is_on_disk_while_a_run_lasts_and_of_restricted_data_only_where_it_was_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, kept = tmp_path / "out" / "cache", tmp_path / "kept"

    def keep(restricted: str, cache: Path | None) -> list[str]:
        """The folders with a cache while the run lasts."""
        with opened_store(
            tmp_path / "out", cache, gigabytes=1, restricted=restricted, processes=Processes()
        ) as store:
            store.put({"key": {"tokens": torch.ones(2)}})
            return [folder.name for folder in (own, kept) if folder.exists()]

    assert keep("", None) == ["cache"]
    assert not own.exists()
    assert keep("amboss/train", None) == []
    assert "--cache DIR keeps it on disk" in capsys.readouterr().err
    assert keep("amboss/train", kept) == ["kept"]
    assert kept.exists()
    assert capsys.readouterr().err == ""
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(KeyboardInterrupt))
        store = opened_store(tmp_path / "out", None, gigabytes=1, restricted="", processes=Processes())
        stack.enter_context(store).put({"key": {"tokens": torch.ones(2)}})
        raise KeyboardInterrupt
    assert own.exists()
    with ExitStack() as stack:  # what would fail again leaves none, what was refused leaves that of the kill
        stack.enter_context(pytest.raises(BadInput))
        stack.enter_context(
            opened_store(tmp_path / "out", None, gigabytes=1, restricted="", processes=Processes())
        )
        raise BadInput("epochs is 2 here")
    assert own.exists()
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(TrainingFailed))
        stack.enter_context(
            opened_store(tmp_path / "out", None, gigabytes=1, restricted="", processes=Processes())
        )
        raise TrainingFailed("the loss is nan")
    assert not own.exists()


@pytest.mark.parametrize("words", [["text_hallu"], ["text_hallu", "povid"], ["--all"]])
def test_what_is_made_of_restricted_pairs_is_on_no_disk_whatever_is_trained_beside(
    words: list[str], made: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The questions of variants of several stages are another data set's, which may be passed on."""
    pairs = tmp_path / "pairs"
    shutil.copytree(made[0], pairs)
    report = json.loads((pairs / "pairs.json").read_text())
    (pairs / "pairs.json").write_text(json.dumps(report | {"dataset": "amboss", "publishable": False}))
    stores: list[object] = []

    def store(folder: Path | None, **_: object) -> TensorStore:
        stores.append(folder)
        return TensorStore()

    def stop(*_: object, **__: object) -> None:
        raise TrainingFailed("far enough")

    monkeypatch.setattr("zoo.vlm.store.TensorStore", store)
    monkeypatch.setattr("zoo.vlm.model.load_base", stop)
    result = run("train", *words, "--pairs", pairs, "--limit", 4, "--out", tmp_path / "out")
    assert str(result.exception) == "far enough"
    assert "amboss/train is not to be passed on" in result.output
    assert stores == [None]


def test_sft_before_a_list_is_not_on_another_data_set_than_its_pairs(
    made: tuple[Path, Result], tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs"
    shutil.copytree(made[0], pairs)
    report = json.loads((pairs / "pairs.json").read_text())
    (pairs / "pairs.json").write_text(json.dumps(report | {"dataset": "slake"}))
    for names in (["text_hallu"], ["text_hallu", "text_hallu_nll"]):
        words = [*names, "--reference", "sft", "--pairs", pairs, "--limit", 4, "--out", tmp_path / "out"]
        error = refusal("train", *words)
        assert "holds pairs of slake/train, and those of the other stages would be made from" in error.message


def test_a_cache_of_no_size_is_in_memory_alone_and_never_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for cache, restricted in ((tmp_path / "kept", ""), (None, ""), (None, "amboss/train")):
        with opened_store(
            tmp_path / "out", cache, gigabytes=0, restricted=restricted, processes=Processes()
        ) as store:
            store.put({"key": {"tokens": torch.ones(2)}})
            assert store.get("key")
    assert not any(tmp_path.iterdir())
    assert capsys.readouterr().err == ""


def test_defaults_that_are_written_twice_agree() -> None:
    """The command line knows them without torch."""
    defaults = train_verb.make_context("train", ["--out", "out"]).params
    execution = {field.name: field.default for field in fields(Execution)}
    assert {name: defaults[name] for name in EXECUTION_NAMES} == {n: execution[n] for n in EXECUTION_NAMES}
    of_store = inspect.signature(TensorStore).parameters["disk_bytes"].default
    assert defaults["cache_gb"] * 2**30 == of_store


def test_a_list_shows_the_report_of_each_pair_set_that_it_makes(tmp_path: Path) -> None:
    words = ("text_hallu", "text_hallu_nll", "--limit", 4, "--epochs", 1, "--tensorboard")
    result = run("train", *words, "--out", tmp_path / "all")
    assert result.exit_code == 0, result.output
    (pairs,) = (tmp_path / "all" / "pairs").iterdir()
    assert "\n".join(read_report(pairs).lines()) in result.output
    assert result.output.count("guessing the chosen response by length alone") == 1
    assert f"  see: tensorboard --logdir {tmp_path / 'all'}\n" in result.output


@pytest.mark.parametrize(
    ("ended", "shown"),
    [
        ({}, "-"),
        ({"accuracy_over_rejected_response": 0.834}, "83%"),
        (
            {"accuracy_over_rejected_response": 0.834, "accuracy_over_rejected_image": 0.5},
            "response 83%, image 50%",
        ),
    ],
)
def test_reward_accuracies_are_named_where_there_are_several(
    ended: dict[str, float], shown: str, tmp_path: Path
) -> None:
    manifest = AdapterManifest.model_construct(
        data=DataRef.model_construct(pairs=8),
        training=TrainingRef.model_construct(steps=2),
        cost=Cost.model_construct(seconds=1.2),
    )
    outcome = Outcome(variant="mdpo", folder=tmp_path, manifest=manifest)
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 1, "loss": 0.5} | ended))
    assert re.split(r"\s{2,}", table([outcome])[2]) == ["mdpo", "8", "2", "1", "0.5000", shown, str(tmp_path)]


def test_of_one_variant_pairs_that_fit_none_of_its_stages_are_refused_before_the_model_loads(
    made: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.vlm.model.load_base", lambda *_, **__: pytest.fail("the model was loaded"))
    error = refusal("train", "image_noise", "--pairs", made[0], "--epochs", 1, "--out", tmp_path / "out")
    assert "of the variant text_hallu, made otherwise than those of image_noise" in error.message
    assert error.hint == (
        f"medzoo train image_noise --epochs 1 --dataset phantom --split train --out {tmp_path / 'out'}"
    )


def test_pairs_made_before_may_be_those_of_the_sft_that_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise TrainingFailed("far enough")

    assert run("pairs", "sft", "--limit", 4, "--out", tmp_path / "pairs").exit_code == 0
    monkeypatch.setattr("zoo.vlm.model.load_base", stop)
    words = ("text_hallu", "--reference", "sft", "--pairs", tmp_path / "pairs", "--limit", 4)
    assert refusal("train", *words, "--out", tmp_path / "out").message == "far enough"


def test_the_folder_of_an_unfinished_run_is_no_folder_for_a_list(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{}")
    error = refusal("train", "sft", "dpo", "--limit", 4, "--out", tmp_path)
    assert error.message == f"{tmp_path} holds the unfinished run of one variant"


def test_pairs_that_may_not_be_published_are_taken_for_restricted(made: tuple[Path, Result]) -> None:
    assert not made_before(made[0], None, None, seed=0).questions.restricted
    closed = made[0].with_name("closed")
    shutil.copytree(made[0], closed)
    report = json.loads((closed / "pairs.json").read_text())
    (closed / "pairs.json").write_text(json.dumps(report | {"publishable": False}))
    assert made_before(closed, None, None, seed=0).questions.restricted


def test_the_command_that_follows_pairs_of_a_staged_variant_makes_the_other_stages_pairs_alike(
    tmp_path: Path,
) -> None:
    words = ("--set", "batch_size=4", "--limit", 6, "--seed", 3, "--dtype", "float32")
    train, _ = next_commands(run("pairs", "povid", *words, "--out", tmp_path / "pairs"))
    for option, value in zip(words[::2], map(str, words[1::2]), strict=True):
        assert train[train.index(str(option)) + 1] == value
    assert run(*train, "--epochs", 1).exit_code == 0


def test_help_shows_every_option_once_under_a_heading() -> None:
    shown = run("train", "--help").output
    for param in train_verb.params:
        if isinstance(param, click.Option):
            assert len(re.findall(rf"^  {param.opts[0]}\s", shown, re.MULTILINE)) == 1, param.name
    assert re.findall(r"^\S.*:$", shown, re.MULTILINE)[-1] == "Other:"
    assert shown.endswith("Other:\n  --help  Show this message and exit.\n")


@pytest.mark.parametrize("words", [("--llm-model", "m"), ("--llm", "http://127.0.0.1:9/v1")])
def test_an_endpoint_without_its_model_or_a_model_without_its_endpoint_is_refused(
    words: tuple[str, str], tmp_path: Path
) -> None:
    error = refusal("pairs", "text_hallu", "--limit", 4, *words, "--out", tmp_path / "pairs")
    assert error.hint == "--llm URL --llm-model NAME"
    assert isinstance(error, BadInput)
    assert not any(tmp_path.iterdir())
