"""A folder's files declare; a file that does not is no accident."""

import sys

import pytest

from zoo.discovery import declared
from zoo.errors import BadDeclaration


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `found_here` with one declaring file and one helper."""
    folder = tmp_path / "found_here"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "two_words.py").write_text("NUMBER = 2\n")
    (folder / "_helper.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("found_here")]:
        del sys.modules[name]


def test_a_file_is_found_by_its_name_and_a_helper_is_not(package):
    assert declared("found_here", [str(package)], "NUMBER", int) == {"two-words": 2}


def test_a_file_that_declares_nothing_or_another_thing_is_refused_by_name(package):
    (package / "three.py").write_text("NUMBER = 'three'\n")
    with pytest.raises(BadDeclaration, match=r"found_here/three\.py declares no NUMBER = int"):
        declared("found_here", [str(package)], "NUMBER", int)
