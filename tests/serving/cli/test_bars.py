from importlib import import_module
from types import SimpleNamespace

import pytest

from serving.cli.bars import hide_bars


@pytest.mark.parametrize(
    ("terminal", "folder", "decided", "hidden"),
    [
        (True, None, None, False),
        (True, "phantom", None, True),
        (False, None, None, True),
        (False, None, False, False),
    ],
)
def test_bars_are_for_a_terminal_where_a_base_may_be_downloaded(
    terminal, folder, decided, hidden, monkeypatch
):
    calls = []
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: terminal))
    monkeypatch.setattr("zoo.bases.get_base", lambda name: SimpleNamespace(folder=folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", decided)
    bars = import_module("huggingface_hub.utils.tqdm")  # its name is a class's too
    monkeypatch.setattr(bars, "disable_progress_bars", lambda: calls.append(1))
    hide_bars("one")
    assert bool(calls) == hidden
