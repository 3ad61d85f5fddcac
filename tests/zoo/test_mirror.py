"""Repositories copied between two embedded Hubs, there and back, again and again."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.hf_api import RepoFile

from zoo import mirror as module
from zoo.cli.hub import hub
from zoo.errors import HubError, NotOnHub
from zoo.hub_access import hub_api
from zoo.localhub.server import serving
from zoo.mirror import mirror

REPO = "lab/adapter"


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[HfApi]:
    """The Hub that has the repository."""
    with serving(tmp_path / "clinic") as url:
        yield HfApi(endpoint=url, token="t")


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[HfApi]:
    """The Hub that gets it."""
    with serving(tmp_path / "ward") as url:
        yield HfApi(endpoint=url, token="t")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cache_of", lambda address: tmp_path / "cache" / address[-5:])


def put(api: HfApi, title: str, files: dict[str, bytes | None], repo_type: str = "model") -> str:
    operations = [
        CommitOperationDelete(path) if content is None else CommitOperationAdd(path, content)
        for path, content in files.items()
    ]
    return api.create_commit(REPO, operations, commit_message=title, repo_type=repo_type).oid


def files(api: HfApi, revision: str = "main") -> dict[str, str]:
    tree = api.list_repo_tree(REPO, revision=revision, recursive=True)
    return {entry.path: entry.blob_id for entry in tree if isinstance(entry, RepoFile)}


def titles(api: HfApi) -> list[str]:
    return [commit.title for commit in api.list_repo_commits(REPO)]


@pytest.fixture
def filled(clinic: HfApi) -> HfApi:
    """Two tagged versions, a commit between them without a tag, and one after them."""
    clinic.create_repo(REPO)
    put(clinic, "one", {"w.bin": os.urandom(2000), "dir/a.txt": b"a", "gone.txt": b"x"})
    clinic.create_tag(REPO, tag="v1")
    put(clinic, "between", {"b.txt": b"b"})
    put(clinic, "two", {"w.bin": os.urandom(2000), "gone.txt": None})
    clinic.create_tag(REPO, tag="v2", tag_message="second")
    put(clinic, "three", {"dir/a.txt": b"aa"})
    return clinic


def test_files_tags_and_the_order_of_versions_are_copied(filled: HfApi, ward: HfApi) -> None:
    said: list[str] = []
    done = mirror(REPO, filled, ward, say=said.append)
    assert (done.commits, done.tags, done.left_out) == (3, ["v1", "v2"], [])
    assert done.head == ward.model_info(REPO).sha
    assert titles(ward) == ["three", "two", "one", "initial commit"]
    for revision in ("v1", "v2", "main"):
        assert files(ward, revision) == files(filled, revision), revision
    head = filled.model_info(REPO).sha
    assert ward.list_repo_commits(REPO)[0].message == f"Mirrored-From: {head}"
    assert [line.split(": ", 1)[1][8:] for line in said] == [
        "one: 3 files, 0.0 MB", "two: 2 files, 0.0 MB", "three: 1 files, 0.0 MB",
    ]  # fmt: skip


def test_a_second_run_copies_what_is_new(filled: HfApi, ward: HfApi) -> None:
    command = ["mirror", REPO, "--from", filled.endpoint, "--to", ward.endpoint]
    first = CliRunner().invoke(hub, command)
    assert first.stdout == f"{REPO}: 3 commits copied; tags v1, v2; main is {ward.model_info(REPO).sha}\n"
    again = CliRunner().invoke(hub, command)
    assert again.stdout == f"{REPO}: up to date; main is {ward.model_info(REPO).sha}\n"
    put(filled, "four", {"new.txt": b"new"})
    filled.create_tag(REPO, tag="v3")
    assert "1 commits copied; tags v3" in CliRunner().invoke(hub, command).stdout
    assert files(ward, "v3") == files(filled, "v3")


def test_what_the_ward_added_comes_back_and_nothing_is_copied_twice(filled: HfApi, ward: HfApi) -> None:
    mirror(REPO, filled, ward)
    put(ward, "from the ward", {"ratings.json": b"{}"})
    ward.create_tag(REPO, tag="rated")
    with pytest.raises(HubError, match="is ahead of"):
        mirror(REPO, filled, ward)
    back = mirror(REPO, ward, filled)
    assert (back.commits, back.tags) == (1, ["rated"])
    assert files(filled) == files(ward)
    assert titles(filled)[:2] == ["from the ward", "three"]
    for source, target in ((filled, ward), (ward, filled)):
        done = mirror(REPO, source, target)
        assert (done.commits, done.tags) == (0, [])


def test_a_copy_of_a_copy_knows_its_origin(filled: HfApi, ward: HfApi, tmp_path: Path) -> None:
    mirror(REPO, filled, ward)
    with serving(tmp_path / "third") as url:
        third = HfApi(endpoint=url, token="t")
        mirror(REPO, ward, third)
        put(filled, "four", {"new.txt": b"new"})
        assert mirror(REPO, filled, third).commits == 1
        assert files(third) == files(filled)


def test_a_target_with_commits_of_its_own_is_left_as_it_is(filled: HfApi, ward: HfApi) -> None:
    mirror(REPO, filled, ward)
    own = put(ward, "own", {"own.txt": b"own"})
    put(filled, "four", {"new.txt": b"new"})
    with pytest.raises(HubError, match="does not know, and keeps them"):
        mirror(REPO, filled, ward)
    assert ward.model_info(REPO).sha == own


def test_a_repository_that_is_no_copy_is_left_as_it_is(filled: HfApi, ward: HfApi) -> None:
    ward.create_repo(REPO)
    own = put(ward, "own", {"own.txt": b"own"})
    with pytest.raises(HubError, match="does not know, and keeps them"):
        mirror(REPO, filled, ward)
    assert ward.model_info(REPO).sha == own


def test_a_text_that_claims_a_copy_is_not_believed(filled: HfApi, ward: HfApi) -> None:
    ward.create_repo(REPO)
    add = CommitOperationAdd("other.txt", b"other")
    claim = f"Mirrored-From: {filled.model_info(REPO).sha}"
    ward.create_commit(REPO, [add], commit_message="claim", commit_description=claim)
    with pytest.raises(HubError, match="does not know, and keeps them"):
        mirror(REPO, filled, ward)


def test_a_tag_that_names_something_else_there_is_refused(filled: HfApi, ward: HfApi) -> None:
    mirror(REPO, filled, ward)
    ward.delete_tag(REPO, tag="v1")
    ward.create_tag(REPO, tag="v1", revision="main")
    with pytest.raises(HubError, match="the tag 'v1'"):
        mirror(REPO, filled, ward)


def test_a_writer_who_comes_between_wins_and_loses_nothing(
    filled: HfApi, ward: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror(REPO, filled, ward)
    put(filled, "four", {"new.txt": b"new"})
    commit = HfApi.create_commit

    def late(self: HfApi, *arguments: object, **more: object) -> object:
        monkeypatch.setattr(HfApi, "create_commit", commit)
        put(ward, "came between", {"between.txt": b"x"})
        return commit(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(HfApi, "create_commit", late)
    with pytest.raises(HubError, match="meanwhile"):
        mirror(REPO, filled, ward)
    assert titles(ward)[0] == "came between"


@pytest.mark.parametrize("after", [1, 4])
def test_a_run_that_was_cut_off_goes_on(
    filled: HfApi, ward: HfApi, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    calls = iter(range(1, 100))
    commit, tag = HfApi.create_commit, HfApi.create_tag

    def breaking(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            if next(calls) > after:
                raise KeyboardInterrupt
            return real(*arguments, **more)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(HfApi, "create_commit", breaking(commit))
        patched.setattr(HfApi, "create_tag", breaking(tag))
        with pytest.raises(KeyboardInterrupt):
            mirror(REPO, filled, ward)
    mirror(REPO, filled, ward)
    assert titles(ward) == ["three", "two", "one", "initial commit"]
    for revision in ("v1", "v2", "main"):
        assert files(ward, revision) == files(filled, revision), revision


def test_what_is_private_and_gated_stays_so(filled: HfApi, ward: HfApi) -> None:
    filled.update_repo_settings(REPO, private=True, gated="manual")
    mirror(REPO, filled, ward)
    info = ward.model_info(REPO)
    assert (info.private, info.gated) == (True, "manual")
    for opened in ({"private": False}, {"private": True, "gated": "auto"}):
        ward.update_repo_settings(REPO, **opened)  # type: ignore[arg-type]
        with pytest.raises(HubError, match="more people can read it"):
            mirror(REPO, filled, ward)


def test_a_tag_put_on_an_uncopied_commit_later_is_told_as_left_out(filled: HfApi, ward: HfApi) -> None:
    mirror(REPO, filled, ward)
    between = filled.list_repo_commits(REPO)[2]
    assert between.title == "between"
    filled.create_tag(REPO, tag="late", revision=between.commit_id)
    assert mirror(REPO, filled, ward).left_out == ["late"]


def test_a_file_that_comes_with_other_bytes_is_refused(
    filled: HfApi, ward: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    monkeypatch.setattr(HfApi, "hf_hub_download", lambda *arguments, **more: str(other))
    with pytest.raises(HubError, match="other bytes than it announces"):
        mirror(REPO, filled, ward)
    assert titles(ward) == ["initial commit"]


def test_a_file_that_arrives_changed_is_told(
    filled: HfApi, ward: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = HfApi.create_commit

    def spoiling(self: HfApi, repo: str, operations: list[CommitOperationAdd], **more: object) -> object:
        changed = [CommitOperationAdd(one.path_in_repo, b"changed") for one in operations]
        return commit(self, repo, changed, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(HfApi, "create_commit", spoiling)
    with pytest.raises(HubError, match="arrived changed"):
        mirror(REPO, filled, ward)


def test_what_one_hub_keeps_in_git_and_the_other_outside_is_the_same(
    clinic: HfApi, ward: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.create_repo(REPO)
    with monkeypatch.context() as patched:
        patched.setattr("zoo.localhub.pointer.LARGE_FROM_BYTES", 1000)
        put(clinic, "one", {"log.json": b"{}" * 1000})
    assert mirror(REPO, clinic, ward).commits == 1
    (here,), (there,) = (api.get_paths_info(REPO, "log.json") for api in (clinic, ward))
    assert (bool(here.lfs), bool(there.lfs)) == (True, False)
    assert mirror(REPO, clinic, ward).commits == 0
    put(clinic, "two", {"new.txt": b"new"})
    mirror(REPO, clinic, ward)
    (kept,) = ward.get_paths_info(REPO, "log.json", expand=True)
    assert kept.last_commit.title == "one"


def test_data_sets_are_copied_up_to_a_revision(clinic: HfApi, ward: HfApi) -> None:
    clinic.create_repo(REPO, repo_type="dataset")
    first = put(clinic, "one", {"pairs.jsonl": b"{}\n"}, "dataset")
    put(clinic, "two", {"pairs.jsonl": b"{}\n{}\n"}, "dataset")
    done = mirror(REPO, clinic, ward, kind="dataset", revision=first)
    assert done.commits == 1
    assert ward.list_repo_commits(REPO, repo_type="dataset")[0].title == "one"
    with pytest.raises(NotOnHub):
        mirror(REPO, clinic, ward)


def test_a_tag_is_not_put_on_a_commit_that_only_claims_to_be_a_copy(clinic: HfApi, ward: HfApi) -> None:
    clinic.create_repo(REPO)
    first, second = (put(clinic, text, {"w.bin": text.encode()}) for text in ("one", "two"))
    clinic.create_tag(REPO, tag="v1", revision=first)
    ward.create_repo(REPO)
    for sha, content in ((first, b"forged"), (second, b"two")):
        ward.create_commit(
            REPO,
            [CommitOperationAdd("w.bin", content)],
            commit_message="copy",
            commit_description=f"Mirrored-From: {sha}",
        )
    with pytest.raises(HubError, match="claims to be a copy"):
        mirror(REPO, clinic, ward)
    assert ward.list_repo_refs(REPO).tags == []


def test_a_run_cut_off_before_the_gate_was_set_sets_it_before_any_file_is_there(
    filled: HfApi, ward: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.update_repo_settings(REPO, gated="manual")

    def breaking(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(HfApi, "update_repo_settings", breaking)
        with pytest.raises(KeyboardInterrupt):
            mirror(REPO, filled, ward)
    assert not ward.model_info(REPO).gated
    mirror(REPO, filled, ward)
    assert (ward.model_info(REPO).gated, files(ward)) == ("manual", files(filled))


@pytest.mark.parametrize(
    "card",
    [
        "license: other\nlicense_name: apache-2.0-and-physionet-credentialed",
        "license: [apache-2.0, cc-by-nc-nd-4.0]",
        "license: other\nlicense_name: llava-med-terms",
        "license: other\nlicense_name: terms-of-the-ward",
        "license: other",
        "license: [apache-2.0, openrail]",
        "tags: [x]",
    ],
)
def test_what_is_not_known_to_be_free_to_pass_on_is_mirrored_to_a_hub_of_ones_own_alone(
    filled: HfApi, ward: HfApi, monkeypatch: pytest.MonkeyPatch, card: str
) -> None:
    put(filled, "card", {"README.md": f"---\n{card}\n---\n".encode()})
    filled.update_repo_settings(REPO, private=True)
    with monkeypatch.context() as patched:
        patched.setattr(module, "is_shared", lambda address: address == ward.endpoint)
        with pytest.raises(HubError, match="is not known to let it be passed on"):
            mirror(REPO, filled, ward)
    assert not ward.repo_exists(REPO)
    assert mirror(REPO, filled, ward).commits


@pytest.mark.parametrize(
    "card", ["license: [apache-2.0, cc-by-4.0]", "license: other\nlicense_name: gemma-and-cc-by-nc-4.0"]
)
def test_what_may_be_passed_on_is_mirrored_to_a_shared_hub(
    filled: HfApi, ward: HfApi, monkeypatch: pytest.MonkeyPatch, card: str
) -> None:
    put(filled, "card", {"README.md": f"---\n{card}\n---\n".encode()})
    monkeypatch.setattr(module, "is_shared", lambda address: address == ward.endpoint)
    assert mirror(REPO, filled, ward).commits


def test_a_token_of_one_hub_is_not_told_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.ward.example")
    monkeypatch.setenv("HF_TOKEN", "of-the-ward")
    ward, other = "https://hub.ward.example", "https://hub.other.example"
    assert hub_api(ward, None, ours_alone=True).token == "of-the-ward"
    assert hub_api(other, None, ours_alone=True).token is False
    assert hub_api(other, "its-own", ours_alone=True).token == "its-own"
