"""Wordings: versioned files, filled in whole or refused."""

from pathlib import Path

import pytest

from zoo.errors import BadDeclaration, UnknownName
from zoo.llm import Prompt
from zoo.wordings import Wordings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    return tmp_path / "prompts"


def test_the_highest_version_is_used_and_named(folder: Path) -> None:
    (folder / "greet.2.txt").write_text("Good day, {{ name }}.\n")
    (folder / "greet.10.txt").write_text("Hello, {{ name }}!\n")
    (folder / "greet.9.txt").write_text("Hi {{ name }}\n")
    (folder / "part.1.txt").write_text("Farewell")
    wordings = Wordings(folder)
    assert wordings.prompt("greet", name="Ada") == Prompt("greet@10", "Hello, Ada!")
    assert (wordings.ids(), wordings.version("greet")) == (["greet@10", "part@1"], 10)


def test_what_is_filled_in_is_never_read_as_a_template(folder: Path) -> None:
    (folder / "greet.1.txt").write_text("Hello, {{ name }}!")
    assert Wordings(folder).prompt("greet", name="{{ 7 * 7 }} <b>&").text == "Hello, {{ 7 * 7 }} <b>&!"


def test_a_missing_value_is_an_error_that_names_it_and_the_file(folder: Path) -> None:
    (folder / "greet.1.txt").write_text("Hello, {{ name }}!")
    with pytest.raises(BadDeclaration, match=r"prompts/greet\.1\.txt: 'name' is undefined"):
        Wordings(folder).prompt("greet", nam="Ada")


def test_a_near_name_is_suggested(folder: Path) -> None:
    (folder / "hallucinate.1.txt").write_text("...")
    with pytest.raises(UnknownName, match="did you mean 'hallucinate'"):
        Wordings(folder).prompt("halucinate")


def test_a_file_without_a_version_is_refused(folder: Path) -> None:
    (folder / "greet.txt").write_text("Hello")
    with pytest.raises(BadDeclaration, match=r"prompts/greet\.txt: its name is not NAME\.VERSION\.txt"):
        Wordings(folder).prompt("greet")
