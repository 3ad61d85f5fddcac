"""A folder that `hf download` made is the commit that was downloaded, on a machine without a Hub too."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi, snapshot_download

from zoo.bases import bases, declared_bases, get_base
from zoo.cli.bases import bases as verb
from zoo.vlm.builders.stand_in import build_stand_in

UNPINNED = "huatuo-vision-7b-qwen2.5vl"


@pytest.fixture(autouse=True)
def _nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    bases.cache_clear()
    yield
    bases.cache_clear()


def test_a_downloaded_folder_is_its_commit_until_a_weight_differs(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = declared_bases()[UNPINNED]
    build_stand_in(base, tmp_path / "built")
    api = HfApi(endpoint=hub, token="local")
    api.create_repo(base.repo)
    sha = api.upload_folder(repo_id=base.repo, folder_path=tmp_path / "built").oid
    here = tmp_path / "here"
    snapshot_download(base.repo, revision=sha, local_dir=here, endpoint=hub, cache_dir=tmp_path / "cache")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers

    said = (
        CliRunner().invoke(verb, [UNPINNED, "--at", str(here), "--any-size"], catch_exceptions=False).output
    )

    assert get_base(UNPINNED).revision == sha
    assert "`hf download` noted of that commit" in said
    note = next((here / ".cache/huggingface/download").glob("*.safetensors.metadata"))
    note.write_text(note.read_text().replace("\n", "\n0", 1))
    CliRunner().invoke(verb, [UNPINNED, "--at", str(here), "--any-size"], catch_exceptions=False)
    assert get_base(UNPINNED).revision != sha


def test_what_is_hidden_in_a_folder_does_not_make_it_another_base(tmp_path: Path) -> None:
    build_stand_in(declared_bases()[UNPINNED], tmp_path / "built")
    CliRunner().invoke(verb, [UNPINNED, "--at", str(tmp_path / "built"), "--any-size"])
    before = get_base(UNPINNED).revision
    (tmp_path / "built/.cache").mkdir()
    (tmp_path / "built/.cache/note").write_text("later")

    assert get_base(UNPINNED).revision == before
    CliRunner().invoke(verb, [UNPINNED, "--at", str(tmp_path / "built"), "--any-size"])
    assert get_base(UNPINNED).revision == before
