"""`hf medzoo` by the `hf` command, from the folder in which it keeps its extensions, without a network."""

import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a console script of this installation with a home of its own, offline."""
    scripts = Path(sysconfig.get_path("scripts"))
    home = {"HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}

    def go(script: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **home, "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
        return subprocess.run(
            [scripts / script, *words], env=environment, capture_output=True, text=True, timeout=120
        )

    return go


def test_hf_runs_medzoo_as_its_extension_with_words_exit_status_and_name(run: Run, tmp_path: Path) -> None:
    registered = run("medzoo", "hf")
    folder = tmp_path / ".local" / "share" / "hf" / "extensions" / "hf-medzoo"
    assert (registered.returncode, registered.stdout) == (0, f"registered in {folder}\nnext: hf medzoo ls\n")
    shown = run("hf", "medzoo", "bases", "--help")
    assert (shown.returncode, shown.stdout) == (0, run("hf-medzoo", "bases", "--help").stdout)
    assert shown.stdout.startswith("Usage: hf medzoo bases")
    refused = run("hf", "medzoo", "show", "../x")
    assert refused.returncode == 2
    assert refused.stderr.startswith("hf medzoo: '../x' names no repo")


def test_hf_help_lists_it_and_hf_removes_it(run: Run) -> None:
    run("medzoo", "hf")
    assert "[extension medvlm-zoo/hf-medzoo]" in run("hf", "--help").stdout
    assert run("hf", "extensions", "remove", "medzoo").returncode == 0
    assert "hf-medzoo" not in run("hf", "--help").stdout
