"""The real client's ways through the embedded Hub."""

import hashlib
import os
import threading
from pathlib import Path

import httpx
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
)
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


def add(path: str, content: bytes | str) -> CommitOperationAdd:
    return CommitOperationAdd(path, content.encode() if isinstance(content, str) else content)


def put(api: HfApi, repo: str, files: dict[str, bytes | str], **more: str) -> str:
    operations = [add(path, content) for path, content in files.items()]
    return api.create_commit(repo, operations, commit_message="put", **more).oid


def read(api: HfApi, repo: str, path: str, cache: Path, **more: str) -> bytes:
    return Path(api.hf_hub_download(repo, path, cache_dir=cache, **more)).read_bytes()


def test_a_repository_is_created_once_and_again_only_with_exist_ok(api: HfApi, url: str) -> None:
    assert api.create_repo("local/once") == f"{url}/local/once"
    assert api.create_repo("local/once", exist_ok=True) == f"{url}/local/once"
    assert api.create_repo("once", repo_type="dataset") == f"{url}/datasets/local/once"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("local/once")


def test_any_token_is_the_local_user(api: HfApi) -> None:
    assert api.whoami()["name"] == "local"


def test_a_folder_goes_up_and_comes_back_whole(api: HfApi, repo: str, tmp_path: Path) -> None:
    folder = tmp_path / "up"
    (folder / "deep" / "er").mkdir(parents=True)
    contents = {
        "config.json": b"{}",
        "empty.txt": b"",
        "deep/er/ünïcode name.txt": "größe".encode(),
        "adapter_model.safetensors": os.urandom(500),
        "large.dat": os.urandom((5 << 20) + 17),
    }
    for path, content in contents.items():
        (folder / path).write_bytes(content)
    commit = api.upload_folder(repo_id=repo, folder_path=folder).oid
    down = Path(api.snapshot_download(repo, cache_dir=tmp_path / "cache"))
    assert down.name == commit
    found = {p.relative_to(down).as_posix(): p.read_bytes() for p in down.rglob("*") if p.is_file()}
    assert found.pop(".gitattributes")
    assert found == contents


def test_a_large_file_sent_in_a_commit_is_kept_by_its_content(api: HfApi, repo: str, root: Path) -> None:
    content = os.urandom(3 << 20)
    sha256 = hashlib.sha256(content).hexdigest()
    put(api, repo, {"w.bin": content})
    (info,) = api.get_paths_info(repo, "w.bin")
    assert (info.lfs.sha256, info.lfs.size, info.size) == (sha256, len(content), len(content))
    assert (root / "objects" / sha256[:2] / sha256[2:4] / sha256).read_bytes() == content
    assert not list((root / "incoming").iterdir())


def test_an_unchanged_file_makes_no_commit(api: HfApi, repo: str) -> None:
    files = {"a.txt": b"a", "w.bin": os.urandom(2 << 20)}
    first = put(api, repo, files)
    assert put(api, repo, files) == first
    assert len(api.list_repo_commits(repo)) == 2


def test_one_commit_adds_copies_deletes_and_replaces(api: HfApi, repo: str, tmp_path: Path) -> None:
    put(api, repo, {"a": "a", "b": "b", "dir/1": "1", "dir/2": "2", "w.bin": b"weights"})
    api.create_commit(
        repo,
        [
            CommitOperationDelete("a"),
            CommitOperationDelete("dir/"),
            add("b", "new b"),
            add("c/d", "d"),
            CommitOperationCopy("w.bin", "copy.bin"),
            CommitOperationCopy("b", "old-b"),
        ],
        commit_message="several",
        commit_description="all at once",
    )
    assert api.list_repo_files(repo) == [".gitattributes", "b", "c/d", "copy.bin", "old-b", "w.bin"]
    assert read(api, repo, "b", tmp_path) == b"new b"
    assert read(api, repo, "old-b", tmp_path) == b"b"
    assert read(api, repo, "copy.bin", tmp_path) == b"weights"
    newest = api.list_repo_commits(repo)[0]
    assert (newest.title, newest.message, newest.authors) == ("several", "all at once", ["local"])


def test_a_commit_that_fails_changes_nothing(api: HfApi, repo: str) -> None:
    head = api.model_info(repo).sha
    with pytest.raises(EntryNotFoundError):
        api.create_commit(repo, [add("new", "x"), CommitOperationDelete("not-there")], commit_message="half")
    assert api.model_info(repo).sha == head
    assert api.list_repo_files(repo) == [".gitattributes"]


def test_a_snapshot_is_had_by_branch_tag_and_sha(api: HfApi, repo: str, tmp_path: Path) -> None:
    first = put(api, repo, {"f": "1"})
    api.create_tag(repo, tag="v1", tag_message="the first")
    api.create_tag(repo, tag="light/v1", revision=first)
    api.create_branch(repo, branch="exp/one", revision="v1")
    second = put(api, repo, {"f": "2"})
    on_branch = put(api, repo, {"f": "3"}, revision="exp/one")
    revisions = {
        None: (second, b"2"),
        "main": (second, b"2"),
        "v1": (first, b"1"),
        "light/v1": (first, b"1"),
        "exp/one": (on_branch, b"3"),
        first: (first, b"1"),
    }
    for revision, (sha, content) in revisions.items():
        down = Path(api.snapshot_download(repo, revision=revision, cache_dir=tmp_path))
        assert (down.name, (down / "f").read_bytes()) == (sha, content), revision
    assert api.model_info(repo, revision=second[:8]).sha == second
    refs = api.list_repo_refs(repo)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": second, "exp/one": on_branch}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": first, "light/v1": first}


def test_branches_and_tags_are_made_once_and_deleted(api: HfApi, repo: str) -> None:
    api.create_branch(repo, branch="b")
    api.create_branch(repo, branch="b", exist_ok=True)
    api.create_tag(repo, tag="t")
    for again in (lambda: api.create_branch(repo, branch="b"), lambda: api.create_tag(repo, tag="t")):
        with pytest.raises(HfHubHTTPError, match="409"):
            again()
    api.delete_branch(repo, branch="b")
    api.delete_tag(repo, tag="t")
    refs = api.list_repo_refs(repo)
    assert ([ref.name for ref in refs.branches], refs.tags) == (["main"], [])
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(repo, tag="t")
    with pytest.raises(BadRequestError, match="main"):
        api.delete_branch(repo, branch="main")
    with pytest.raises(RevisionNotFoundError):
        api.create_branch(repo, branch="c", revision="nowhere")


def test_a_commit_on_a_stale_parent_gets_412(api: HfApi, repo: str) -> None:
    parent = api.model_info(repo).sha
    head = put(api, repo, {"a": "1"}, parent_commit=parent)
    with pytest.raises(HfHubHTTPError, match="412"):
        put(api, repo, {"a": "2"}, parent_commit=parent)
    assert api.model_info(repo).sha == head
    put(api, repo, {"a": "2"}, parent_commit=head[:7])


def test_of_writers_with_one_parent_exactly_one_wins(api: HfApi, repo: str) -> None:
    parent = api.model_info(repo).sha
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            put(api, repo, {"who": f"{number}"}, parent_commit=parent)
            outcomes.append("won")
        except HfHubHTTPError as error:
            outcomes.append(str(error.response.status_code))

    _at_once(write, 6)
    assert sorted(outcomes) == ["412"] * 5 + ["won"]
    assert len(api.list_repo_commits(repo)) == 2


def test_writers_without_a_parent_all_get_in_one_after_another(api: HfApi, repo: str) -> None:
    _at_once(lambda number: put(api, repo, {f"file-{number}": f"{number}", "shared": f"{number}"}), 6)
    assert {f"file-{number}" for number in range(6)} < set(api.list_repo_files(repo))
    assert len(api.list_repo_commits(repo)) == 7


def _at_once(write, count: int) -> None:  # type: ignore[no-untyped-def]
    gate = threading.Barrier(count)

    def wait_and_write(number: int) -> None:
        gate.wait()
        write(number)

    threads = [threading.Thread(target=wait_and_write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_tree_is_told_file_by_file(api: HfApi, repo: str) -> None:
    first = put(api, repo, {"top.txt": "top", "dir/in.txt": "in", "dir/w.bin": b"weights"})
    second = put(api, repo, {"dir/in.txt": "changed"})
    shallow = {entry.path for entry in api.list_repo_tree(repo)}
    assert shallow == {".gitattributes", "dir", "top.txt"}
    assert {entry.path for entry in api.list_repo_tree(repo, "dir")} == {"dir/in.txt", "dir/w.bin"}
    deep = {entry.path: entry for entry in api.list_repo_tree(repo, recursive=True, expand=True)}
    assert set(deep) == {".gitattributes", "dir", "dir/in.txt", "dir/w.bin", "top.txt"}
    assert deep["dir/in.txt"].last_commit.oid == second
    assert deep["dir/w.bin"].last_commit.oid == first
    assert deep["dir/w.bin"].size == 7
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo, "nothing"))


def test_a_long_tree_comes_in_pages_of_one_commit(api: HfApi, repo: str, url: str) -> None:
    files = {f"f{number:04}": f"{number}" for number in range(1100)}
    put(api, repo, files)
    assert set(api.list_repo_files(repo)) == {".gitattributes", *files}
    page = httpx.get(f"{url}/api/models/{repo}/tree/main", params={"limit": 600})
    put(api, repo, {"a-new-file": "x"})
    rest = httpx.get(page.links["next"]["url"])
    assert [e["path"] for e in page.json() + rest.json()] == [".gitattributes", *files]


def test_paths_are_looked_up_one_by_one(api: HfApi, repo: str) -> None:
    put(api, repo, {"a": "a", "dir/b": "b"})
    found = api.get_paths_info(repo, ["a", "dir", "dir/b", "nothing"])
    assert [(type(entry).__name__, entry.path) for entry in found] == [
        ("RepoFile", "a"), ("RepoFolder", "dir"), ("RepoFile", "dir/b"),
    ]  # fmt: skip
    assert api.file_exists(repo, "a")
    assert not api.file_exists(repo, "nothing")
    assert not api.file_exists(repo, "a", revision="nowhere")
    assert api.revision_exists(repo, "main")
    assert not api.revision_exists(repo, "nowhere")


def test_what_is_not_there_is_named_by_its_own_error(api: HfApi, repo: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("local/nobody")
    with pytest.raises(RepositoryNotFoundError):
        api.hf_hub_download("gpt2", "config.json", cache_dir=tmp_path)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("gpt2")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(repo, revision="nowhere")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(repo, "nothing.txt", cache_dir=tmp_path)
    with pytest.raises(RepositoryNotFoundError, match="404"):
        api.space_info("local/space")


def test_a_repository_moves_with_its_history(api: HfApi, repo: str) -> None:
    head = put(api, repo, {"a": "a"})
    api.create_repo("local/taken")
    with pytest.raises(HfHubHTTPError, match="409"):
        api.move_repo(repo, "local/taken")
    api.move_repo(repo, "clinic/moved")
    assert api.model_info("clinic/moved").sha == head
    assert not api.repo_exists(repo)
    put(api, "clinic/moved", {"b": "b"})


def test_files_and_repositories_are_deleted(api: HfApi, repo: str) -> None:
    put(api, repo, {"a": "a", "dir/b": "b", "dir/c": "c"})
    api.delete_file("a", repo)
    api.delete_folder("dir", repo)
    assert api.list_repo_files(repo) == [".gitattributes"]
    api.delete_repo(repo)
    assert not api.repo_exists(repo)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(repo)
    api.delete_repo(repo, missing_ok=True)
    api.create_repo(repo)
    assert len(api.list_repo_commits(repo)) == 1


def test_history_can_be_squashed(api: HfApi, repo: str) -> None:
    put(api, repo, {"a": "1"})
    put(api, repo, {"a": "2"})
    api.super_squash_history(repo)
    assert len(api.list_repo_commits(repo)) == 1
    assert api.list_repo_files(repo) == [".gitattributes", "a"]


def test_the_file_system_interface_reads_and_writes(api: HfApi, repo: str, url: str) -> None:
    files = HfFileSystem(endpoint=url, token="any-token", skip_instance_cache=True)
    content = os.urandom(2 << 20)
    with files.open(f"{repo}/dir/data.bin", "wb") as out:
        out.write(content)
    with files.open(f"{repo}/dir/data.bin", "rb", block_size=4096) as file:
        file.seek(1_000_000)
        assert file.read(10) == content[1_000_000:1_000_010]
    assert files.ls(f"{repo}/dir", detail=False) == [f"{repo}/dir/data.bin"]
    assert files.glob(f"{repo}/**/*.bin") == [f"{repo}/dir/data.bin"]


def test_a_pull_request_is_refused_with_a_reason(api: HfApi, repo: str) -> None:
    with pytest.raises(HfHubHTTPError, match="no pull requests"):
        api.create_commit(repo, [add("a", "a")], commit_message="pr", create_pr=True)


def test_a_file_never_takes_a_folders_place(api: HfApi, repo: str) -> None:
    put(api, repo, {"dir/a": "a"})
    for path in ("dir", "dir/a/b"):
        with pytest.raises(BadRequestError, match="is a f"):
            put(api, repo, {path: "x"})
    assert api.list_repo_files(repo) == [".gitattributes", "dir/a"]
