"""A fresh interpreter proves what an import, or a plain `medzoo --help`, does not load."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft", "gradio", "fastapi", "datasets", "pandas")


def loaded_after(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter holds after running `code`."""
    tail = f"\nimport sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "module", ["zoo", "zoo.manifest", "zoo.datasets", "model_cards", "serving", "serving.core"]
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    assert loaded_after(f"import {module}") == set()


def test_help_lists_every_verb_and_loads_nothing_heavy() -> None:
    code = """
from importlib.metadata import entry_points
from click.testing import CliRunner
from zoo.__main__ import medzoo
done = CliRunner().invoke(medzoo, ["--help"])
assert done.exit_code == 0, done.output
missing = [n for n in entry_points(group="medzoo.verbs").names if n not in done.output]
assert not missing and len(entry_points(group="medzoo.verbs")) > 10, missing
assert "not a medical device" in done.output
"""
    assert loaded_after(code) == set()


def test_the_check_can_see_a_heavy_import() -> None:
    assert loaded_after("import torch") == {"torch"}
