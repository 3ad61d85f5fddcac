"""Where a demo's work lies, and how one that ran elsewhere is gone on with."""

import pytest

from zoo.bases import get_base
from zoo.demo import Demo
from zoo.errors import BadInput

SHORT = get_base("phantom").revision[:8]


def test_a_demo_that_ran_elsewhere_is_taken_over_once_without_its_cache_and_lock(tmp_path):
    begun = tmp_path / "image" / SHORT
    for name in ("adapters/sft/zoo.json", "hub/lock", "cache/blob"):
        (begun / name).parent.mkdir(parents=True, exist_ok=True)
        (begun / name).write_text("old")
    here = Demo(tmp_path / "here", begun=tmp_path / "image").folder
    assert sorted(path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()) == [
        "adapters/sft/zoo.json"
    ]
    (here / "adapters" / "sft" / "zoo.json").write_text("new")
    Demo(tmp_path / "here", begun=tmp_path / "image")
    assert (here / "adapters" / "sft" / "zoo.json").read_text() == "new"
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [SHORT]


def test_a_folder_with_no_demo_of_this_base_is_refused(tmp_path):
    (tmp_path / "image").mkdir()
    with pytest.raises(BadInput, match="holds no demo of this base"):
        Demo(tmp_path / "here", begun=tmp_path / "image")
