"""The pairs' wordings are whole and installed; how a folder of wordings works is `zoo.wordings`' to show."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment

from training.pairs import prompts

WORDINGS = sorted(Path(prompts.__file__).parent.glob("*.txt"))


def test_wordings_are_part_of_what_is_installed() -> None:
    pyproject = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert 'training = ["pairs/prompts/*.txt"]' in pyproject


@pytest.mark.parametrize("path", WORDINGS, ids=lambda p: p.name)
def test_every_wording_has_a_name_a_version_and_sound_syntax(path: Path) -> None:
    assert re.fullmatch(r"[a-z_]+\.[1-9]\d*\.txt", path.name)
    Environment().parse(path.read_text(encoding="utf-8"))


def test_there_are_wordings() -> None:
    assert "relevance.1.txt" in [path.name for path in WORDINGS]
