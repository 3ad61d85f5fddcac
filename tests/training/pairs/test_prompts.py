"""Wordings: versioned files, filled in whole or refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment

from training.pairs import prompts
from training.pairs.prompts import prompt
from zoo.errors import BadDeclaration, UnknownName
from zoo.llm import Prompt

FOLDER = Path(prompts.__file__).parent
WORDINGS = sorted(FOLDER.glob("*.txt"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in place of the real one."""
    monkeypatch.setattr(prompts, "files", lambda _: tmp_path)
    prompts._versions.cache_clear()
    yield tmp_path
    prompts._versions.cache_clear()


def test_the_highest_version_is_used_and_named(folder: Path) -> None:
    (folder / "greet.2.txt").write_text("Good day, {{ name }}.\n")
    (folder / "greet.10.txt").write_text("Hello, {{ name }}!\n")
    (folder / "greet.9.txt").write_text("Hi {{ name }}\n")
    assert prompt("greet", name="Ada") == Prompt("greet@10", "Hello, Ada!")


def test_what_is_filled_in_is_never_read_as_a_template(folder: Path) -> None:
    (folder / "greet.1.txt").write_text("Hello, {{ name }}!")
    assert prompt("greet", name="{{ 7 * 7 }} <b>&").text == "Hello, {{ 7 * 7 }} <b>&!"


def test_a_missing_value_is_an_error_that_names_it_and_the_file(folder: Path) -> None:
    (folder / "greet.1.txt").write_text("Hello, {{ name }}!")
    with pytest.raises(BadDeclaration, match=r"prompts/greet\.1\.txt: 'name' is undefined"):
        prompt("greet", nam="Ada")


def test_a_near_name_is_suggested(folder: Path) -> None:
    (folder / "hallucinate.1.txt").write_text("...")
    with pytest.raises(UnknownName, match="did you mean 'hallucinate'"):
        prompt("halucinate")


def test_a_file_without_a_version_is_refused(folder: Path) -> None:
    (folder / "greet.txt").write_text("Hello")
    with pytest.raises(BadDeclaration, match=r"prompts/greet\.txt: its name is not NAME\.VERSION\.txt"):
        prompt("greet")


def test_wordings_are_part_of_what_is_installed() -> None:
    pyproject = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert 'training = ["pairs/prompts/*.txt"]' in pyproject


@pytest.mark.parametrize("path", WORDINGS, ids=lambda p: p.name)
def test_every_wording_has_a_name_a_version_and_sound_syntax(path: Path) -> None:
    assert re.fullmatch(r"[a-z_]+\.[1-9]\d*\.txt", path.name)
    Environment().parse(path.read_text(encoding="utf-8"))


def test_there_are_wordings() -> None:
    assert "relevance.1.txt" in [path.name for path in WORDINGS]
