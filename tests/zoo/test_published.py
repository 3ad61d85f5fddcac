"""Adapters in a folder that several processes share."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zoo import published
from zoo.errors import BadAdapter, BrokenWeights, DigestMismatch, HubError
from zoo.hub import fetch_to_share
from zoo.hub_publish import publish_folder
from zoo.localhub.server import serving

SHA = "1" * 40
DIES = """
import os, shutil, signal, sys
from pathlib import Path
from zoo import published

root, made, when = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

def bring(folder):
    for path in sorted(made.iterdir()):
        if when == path.name:
            (folder / path.name).write_bytes(path.read_bytes()[:100])
            die()
        shutil.copy(path, folder)

if when == "checked":
    published._to_disk = die
published.publish(root, "me/mdpo", "1" * 40, bring=bring)
"""


@pytest.fixture
def made(make_adapter):
    return make_adapter("made")


def copies(made):
    return lambda folder: shutil.copytree(made, folder, dirs_exist_ok=True) and None


@pytest.mark.parametrize("when", ["adapter_config.json", "adapter_model.safetensors", "zoo.json", "checked"])
def test_what_a_killed_process_had_begun_is_never_taken_and_is_cleared_away(tmp_path, made, when):
    root = tmp_path / "shared"
    child = subprocess.run([sys.executable, "-c", DIES, root, made, when], check=False)
    assert child.returncode == -signal.SIGKILL
    (left,) = (root / "drafts").iterdir()
    assert not (root / "published").exists()
    folder = published.publish(root, "me/mdpo", SHA, bring=copies(made))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in made.iterdir()
    }
    assert left.exists()  # it might be at work
    for path in (left, *left.iterdir()):
        os.utime(path, (0, 0))
    published.publish(root, "me/mdpo", "2" * 40, bring=copies(made))
    assert list((root / "drafts").iterdir()) == []


def test_of_two_who_bring_the_same_one_is_first_and_the_other_takes_it(tmp_path, made):
    both = threading.Barrier(2, timeout=60)

    def bring(folder):
        copies(made)(folder)
        both.wait()

    with ThreadPoolExecutor(2) as threads:
        found = list(
            threads.map(lambda _: published.publish(tmp_path, "me/mdpo", SHA, bring=bring), range(2))
        )
    assert found[0] == found[1]
    assert (found[0] / "zoo.json").is_file()
    assert list((tmp_path / "drafts").iterdir()) == []


def test_what_is_there_is_not_brought_again(tmp_path, made):
    first = published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made))
    assert published.publish(tmp_path, "me/mdpo", SHA, bring=lambda _: pytest.fail("brought")) == first


def test_weights_that_came_wrong_are_not_published(tmp_path, made):
    weights = made / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DigestMismatch):
        published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made))
    weights.unlink()
    with pytest.raises(BrokenWeights):
        published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made))
    assert not (tmp_path / "published").exists()
    assert list((tmp_path / "drafts").iterdir()) == []


def test_a_commit_whose_files_were_taken_away_is_brought_anew(tmp_path, made):
    folder = published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made))
    (folder / "zoo.json").unlink()
    assert published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made)) == folder
    assert (folder / "zoo.json").is_file()


def test_a_full_volume_is_named_and_leaves_nothing_behind(tmp_path, made):
    def bring(folder):
        copies(made)(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(HubError, match=f"me/mdpo@{SHA} cannot be kept in .*: No space left on device"):
        published.publish(tmp_path, "me/mdpo", SHA, bring=bring)
    assert list((tmp_path / "drafts").iterdir()) == []
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize("what", ["", "adapter_model.safetensors"])
def test_a_link_that_leads_out_of_the_volume_is_refused(tmp_path, made, what):
    root = tmp_path / "shared"
    place = published.publish(root, "me/mdpo", SHA, bring=copies(made))
    elsewhere = shutil.move(place / what, tmp_path / "elsewhere")
    (place / what).symlink_to(elsewhere)
    with pytest.raises(BadAdapter, match=f"{place / what} leads to {elsewhere}"):
        published.publish(root, "me/mdpo", SHA, bring=copies(made))


def test_a_volume_that_is_reached_by_a_link_is_as_good(tmp_path, made):
    (tmp_path / "volume").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "volume")
    assert published.publish(tmp_path / "link", "me/mdpo", SHA, bring=copies(made)).is_dir()


def test_of_two_who_mend_the_same_commit_neither_fails(tmp_path, made, monkeypatch):
    folder = published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made))
    (folder / "zoo.json").unlink()
    rename = Path.rename

    def late(path, to):
        if path != folder:
            return rename(path, to)
        monkeypatch.undo()
        shutil.rmtree(folder)  # as the other has taken it away already
        published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made))
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "rename", late)
    assert published.publish(tmp_path, "me/mdpo", SHA, bring=copies(made)) == folder
    assert (folder / "zoo.json").is_file()


def test_an_adapter_that_one_machine_fetched_needs_no_hub_on_another(tmp_path, adapter):
    with serving(tmp_path / "hub") as hub:
        sha = publish_folder(adapter, "me/mdpo", message="first", endpoint=hub)
        folder = fetch_to_share(tmp_path / "shared", "me/mdpo", sha, endpoint=hub)
    names = {path.name for path in folder.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "zoo.json"} <= names
    assert ".cache" not in names
    assert fetch_to_share(tmp_path / "shared", "me/mdpo", sha, endpoint=hub) == folder
