"""Two runs never work in one folder."""

from pathlib import Path

import pytest

from training.alone import alone
from zoo.errors import BadInput


def test_a_second_run_in_a_folder_is_refused_until_the_first_is_over(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with alone(folder):
        with pytest.raises(BadInput, match="another process is training into"), alone(folder):
            pass
        (folder / "kept").touch()
    with alone(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_a_folder_that_nothing_came_into_is_not_left_behind(tmp_path: Path) -> None:
    with alone(tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()


def test_a_disk_without_locks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with alone(tmp_path / "out"):
        (tmp_path / "out" / "kept").touch()
