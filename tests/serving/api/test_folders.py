import json

import pytest

from serving.api.folders import WithFolders, is_folder
from zoo.errors import BadInput


@pytest.mark.parametrize("written", ["./out/mdpo", "../mdpo", "/data/mdpo", "~/mdpo"])
def test_a_path_is_told_from_a_repo_by_how_it_begins(written):
    assert is_folder(written)
    assert not is_folder("out/mdpo")


def test_a_folder_that_was_trained_anew_is_another_adapter(rig, make_adapter):
    folder = make_adapter("trained")
    hub = WithFolders(rig.hub, [str(folder)])
    before = hub.resolve(str(folder), "local")
    assert before == hub.resolve(str(folder), "local")
    manifest = folder / "zoo.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"created": "later"}))
    after = hub.resolve(str(folder), "local")
    assert before != after
    assert {before[:6], after[:6]} == {"local-"}
    assert hub.fetch(str(folder), after) == folder


def test_a_folder_without_a_finished_adapter_says_so(rig, tmp_path):
    hub = WithFolders(rig.hub, [str(tmp_path)])
    with pytest.raises(BadInput, match=r"holds no adapter: zoo\.json: No such file"):
        hub.resolve(str(tmp_path), "local")


def test_repos_are_the_hub_s_as_before(rig, tmp_path):
    hub = WithFolders(rig.hub, [str(tmp_path)])
    sha = hub.resolve("local/mdpo", "main")
    assert sha == "2" * 40
    assert hub.fetch("local/mdpo", sha) == rig.hub.folders["local/mdpo", sha]
    assert hub.last_resolved("local/mdpo", "main") == sha
