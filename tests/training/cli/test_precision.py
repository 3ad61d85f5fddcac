"""Training and evaluating from the command line in a precision of the user's choice."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import training.loop
from training.cli.train import train
from zoo.bases import get_base
from zoo.cli.evaluate import evaluate
from zoo.errors import BadInput
from zoo.manifest import read_manifest

SHORT = ("text_hallu", "--limit", "24", "--epochs", "1", "--rank", "4")


def run_train(out: Path, *words: str) -> Result:
    return CliRunner().invoke(train, [*SHORT, "--out", str(out), *words])


@pytest.mark.parametrize(("words", "quantization"), [((), ""), (("--load-in-4bit",), "4bit")])
def test_an_adapter_and_its_scores_say_in_what_precision_they_were_made(
    words: tuple[str, ...], quantization: str, tmp_path: Path
) -> None:
    how = ("--device", "cpu", "--dtype", "bfloat16", *words)
    out = tmp_path / "adapter"
    trained = run_train(out, *how)
    assert trained.exit_code == 0, trained.output
    assert all(word in trained.output for word in how), "the next commands leave out how the base was loaded"
    made = read_manifest(out)
    assert (made.training.dtype, made.training.quantization) == ("bfloat16", quantization)

    asked = [str(out), "--limit", "8", "--record", "--out", str(tmp_path / "answers"), *how]
    scored = CliRunner().invoke(evaluate, asked)
    assert scored.exit_code == 0, scored.output
    recorded = read_manifest(out).evaluation
    assert recorded
    assert {e.precision for e in recorded} == {f"bfloat16 {quantization}".rstrip()}


def test_an_unfinished_run_does_not_go_on_in_another_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.loop, "batch_gradient", killed)
        run_train(tmp_path / "adapter")
    error = run_train(tmp_path / "adapter", "--dtype", "bfloat16").exception
    assert isinstance(error, BadInput)
    pinned = get_base("phantom").pinned
    name, _, revision = pinned.partition("@")
    base = f"{name}@{revision[:12]}"
    assert error.message == (
        f"base is {base} bfloat16 here, and the run in {tmp_path / 'adapter'} has {base} float32"
    )
    assert run_train(tmp_path / "adapter").exit_code == 0
