"""The console script: what it says, and which of several processes says it."""

import runpy
from functools import partial

import pytest
from click.testing import CliRunner

import zoo.__main__
from zoo.errors import ZooError


class Ended(BaseException):
    """As by a signal, while it waits."""


@pytest.mark.parametrize(
    ("environment", "waits"), [({}, []), ({"RANK": "0"}, []), ({"RANK": "1"}, [zoo.__main__.OTHERS_WAIT_S])]
)
def test_an_error_is_said_at_once_by_the_first_process_and_late_by_the_others(
    environment: dict[str, str],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """So that one which only another process has met is said at all."""
    waited: list[float] = []
    refuse(monkeypatch, environment)
    monkeypatch.setattr("time.sleep", waited.append)
    with pytest.raises(SystemExit) as ended:
        zoo.__main__.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "medzoo: no room\n  next: make some\n"
    assert waited == waits


@pytest.mark.parametrize(("verb", "told"), [("pairs", "pairs is the work of one"), ("train", "")])
def test_several_processes_of_a_verb_that_is_the_work_of_one_are_refused(
    verb: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would write over each other's files."""
    for name, value in (("TORCHELASTIC_RUN_ID", "none"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    ended = CliRunner().invoke(zoo.__main__.medzoo, [verb, "--help"])
    assert told in str(ended.exception or "")
    assert bool(ended.exception) == bool(told)


def test_python_m_training_is_medzoo_train(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the verb, as habit may have it, and without."""
    told = []
    training = partial(runpy.run_module, "training", run_name="__main__")
    for run, words in ((zoo.__main__.main, ["train"]), (training, []), (training, ["train"])):
        monkeypatch.setattr("sys.argv", ["medzoo", *words, "--help"])
        with pytest.raises(SystemExit) as ended:
            run()
        assert ended.value.code == 0
        told.append(capsys.readouterr().out)
    assert told[0].startswith("Usage: medzoo train [OPTIONS] [VARIANT]...")
    assert told[1:] == told[:1] * 2


def test_a_process_that_is_ended_while_the_first_says_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(_: float) -> None:
        raise Ended

    refuse(monkeypatch, {"RANK": "1"})
    monkeypatch.setattr("time.sleep", end)
    with pytest.raises(Ended):
        zoo.__main__.main()
    assert capsys.readouterr().err == ""


def refuse(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Let the verb, whichever it is, refuse, in a process of this environment."""

    def refusing(**_: str) -> None:
        raise ZooError("no room", hint="make some")

    monkeypatch.delenv("RANK", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(zoo.__main__.medzoo, "main", refusing)
