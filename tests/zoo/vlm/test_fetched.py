"""A base that lies on a Hub: what is loaded is that commit of that Hub, or an error by name."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import CommitOperationAdd, HfApi, constants
from PIL import Image
from safetensors.torch import load_file

from zoo.bases import Base, get_base
from zoo.errors import BadInput, HubUnreachable, NotOnHub
from zoo.vlm.fetched import fetch_model, where_files_are
from zoo.vlm.model import load_base
from zoo.vlm.similarity import load_similarity

REPO = "medvlm-zoo/phantom"
AWAY = "http://127.0.0.1:9"


@pytest.fixture
def on_hub(hub: str, monkeypatch: pytest.MonkeyPatch) -> Base:
    """Phantom as a base that has to be fetched, beside a folder and a pickle that nobody asked for."""
    monkeypatch.setenv("HF_ENDPOINT", hub)
    phantom = get_base("phantom")
    api = HfApi(endpoint=hub, token="local")
    api.create_repo(REPO)
    extra = [CommitOperationAdd(name, b"x") for name in ("pytorch_model.bin", "vit/model.safetensors")]
    api.create_commit(REPO, extra, commit_message="beside")
    sha = api.upload_folder(repo_id=REPO, folder_path=str(phantom.folder)).oid
    return replace(phantom, folder=None, revision=sha)


def test_it_is_loaded_from_its_commit_and_once_fetched_without_the_hub(
    on_hub: Base, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = load_base(on_hub, device="cpu").model.state_dict()
    assert not [*tmp_path.rglob("pytorch_model.bin"), *tmp_path.rglob("vit")]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("zoo.vlm.fetched.asking", lambda *_: pytest.fail("the Hub was asked"))
    again = load_base(on_hub, device="cpu").model.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


def test_where_its_files_are_is_told_without_asking_the_hub(
    on_hub: Base, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("zoo.vlm.fetched.asking", lambda *_: pytest.fail("the Hub was asked"))
        large = replace(on_hub, parameters=4_437_815_808, gated=True)
        assert where_files_are(large) == (
            f"not all here: fetched at the start from {hub}, about 8.9 GB in 16 bits, "
            "for those who accepted its terms there"
        )
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(BadInput, match="are not all here, and HF_HUB_OFFLINE is set"):
            where_files_are(on_hub)
    folder = fetch_model(on_hub.repo, on_hub.revision)
    with monkeypatch.context() as patch:
        patch.setattr("zoo.vlm.fetched.asking", lambda *_: pytest.fail("the Hub was asked"))
        assert where_files_are(on_hub) == f"fetched, in {folder}"
        (folder / "model.safetensors").unlink()
        assert where_files_are(on_hub) == f"not all here: fetched at the start from {hub}"


def test_a_folder_whose_files_are_not_whole_is_told(tmp_path: Path) -> None:
    phantom = get_base("phantom")
    assert where_files_are(phantom) == f"all here, in {phantom.folder}"
    (tmp_path / "unfinished.json").touch()
    with pytest.raises(BadInput, match="is unfinished: what wrote it was stopped"):
        where_files_are(replace(phantom, folder=tmp_path))
    (tmp_path / "unfinished.json").unlink()
    with pytest.raises(BadInput, match="no weights"):
        where_files_are(replace(phantom, folder=tmp_path))


def test_a_folder_of_the_same_name_where_one_stands_is_not_taken_for_it(
    on_hub: Base, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "here" / REPO
    shutil.copytree(get_base("phantom").folder or "", other)
    (other / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "here")
    assert load_base(on_hub, device="cpu").base == on_hub


@pytest.mark.parametrize(
    ("address", "changes", "kind", "said"),
    [
        (AWAY, {}, HubUnreachable, rf"{REPO}@\w+: {AWAY} does not answer"),
        ("", {"revision": "f" * 40}, NotOnHub, "has the repo, but no such revision"),
        ("", {"repo": "medvlm-zoo/none"}, NotOnHub, "medvlm-zoo/none@.* is not on "),
    ],
)
def test_what_cannot_be_had_is_an_error_by_name(
    address: str,
    changes: dict[str, str],
    kind: type[Exception],
    said: str,
    on_hub: Base,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if address:
        monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(kind, match=said) as told:
        load_base(replace(on_hub, **changes), device="cpu")
    assert (f"medzoo bases {on_hub.name} --at FOLDER" in str(told.value)) == bool(address)


def test_an_encoder_comes_from_its_commit_as_a_pickle_only_where_there_is_nothing_else(
    hub: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    phantom = get_base("phantom")
    assert isinstance(phantom.encoder, Path)
    api = HfApi(endpoint=hub, token="local")
    api.create_repo("medvlm-zoo/encoder")
    api.upload_folder(repo_id="medvlm-zoo/encoder", folder_path=str(phantom.encoder))
    torch.save(load_file(phantom.encoder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    both = api.upload_file(
        path_or_fileobj=tmp_path / "pytorch_model.bin",
        path_in_repo="pytorch_model.bin",
        repo_id="medvlm-zoo/encoder",
    ).oid
    only = api.delete_file("model.safetensors", "medvlm-zoo/encoder").oid
    image, phrases = Image.new("L", (64, 64), 90), ["CT", "left"]

    cosines = load_similarity(phantom)(image, phrases)

    for sha in (both, only):
        theirs = load_similarity(replace(phantom, encoder=f"medvlm-zoo/encoder@{sha}"))
        assert theirs(image, phrases) == cosines
    assert len([*tmp_path.rglob("snapshots/*/pytorch_model.bin")]) == 1
    monkeypatch.setenv("HF_ENDPOINT", AWAY)
    with pytest.raises(HubUnreachable):
        load_similarity(replace(phantom, encoder=f"medvlm-zoo/other@{both}"))


def test_weights_that_are_not_whole_on_the_hub_are_named(on_hub: Base, hub: str) -> None:
    api = HfApi(endpoint=hub, token="local")
    sha = api.delete_file("model.safetensors", REPO).oid
    with pytest.raises(BadInput, match="no weights"):
        load_base(replace(on_hub, revision=sha), device="cpu")
