import atexit
import os
from pathlib import Path

from serving.ui.mount import _set_folder


def test_gradio_s_folder_is_this_process_s_alone_and_gone_at_its_end(monkeypatch):
    ends = []
    monkeypatch.setattr(atexit, "register", lambda *words, **more: ends.append((words, more)))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    _set_folder()
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "left").touch()
    [((remove, *words), more)] = ends
    remove(*words, **more)
    assert not folder.exists()


def test_a_folder_that_the_operator_chose_for_gradio_stays(monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/chosen")
    _set_folder()
    assert os.environ["GRADIO_TEMP_DIR"] == "/chosen"
