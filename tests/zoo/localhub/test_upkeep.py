"""`medzoo hub check` and `medzoo hub gc`: faults are found and named, only what nothing leads to goes."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import CommitOperationAdd, HfApi

from zoo.cli.hub import hub
from zoo.localhub.check import check
from zoo.localhub.errors import Damaged
from zoo.localhub.gc import Freed, collect
from zoo.localhub.gitrepo import GitRepo
from zoo.localhub.server import serving
from zoo.localhub.store import Store

WEIGHTS = b"w" * (1 << 20)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A stopped Hub with one repository, a tag, a large file and a collection."""
    with serving(tmp_path / "hub") as url:
        api = HfApi(endpoint=url, token="t")
        api.create_repo("local/a")
        put(api, "local/a", {"w.bin": WEIGHTS, "dir/f.txt": b"small"})
        api.create_tag("local/a", tag="v1", tag_message="first")
        put(api, "local/a", {"dir/f.txt": b"changed"})
        slug = api.create_collection("C", namespace="local").slug
        api.add_collection_item(slug, "local/a", "model")
    return tmp_path / "hub"


def put(api: HfApi, repo: str, files: dict[str, bytes], revision: str = "main") -> str:
    adds = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(repo, adds, commit_message="put", revision=revision).oid


def medzoo_hub(*arguments: str) -> str:
    return CliRunner().invoke(hub, list(arguments)).output


def tidy(root: Path, *, min_age_s: float = -1, dry_run: bool = False) -> Freed:
    store = Store(root)
    try:
        return collect(store, min_age_s=min_age_s, dry_run=dry_run)
    finally:
        store.close()


def test_a_folder_without_faults_is_whole(root: Path) -> None:
    assert medzoo_hub("check", "--root", str(root), "--deep") == "1 repositories, all is whole\n"


def git(root: Path) -> Path:
    return root / "repos" / "models" / "local" / "a.git"


def large(root: Path) -> Path:
    return root / "objects" / SHA256[:2] / SHA256[2:4] / SHA256


def loose(root: Path, path: str) -> Path:
    repo = GitRepo(git(root))
    oid = repo.entry(repo.resolve("v1"), path).oid
    return git(root) / "objects" / oid[:2] / oid[2:]


def lose(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"{")


def flip(path: Path) -> None:
    path.write_bytes(b"v" + path.read_bytes()[1:])


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


HARMS = (spoil, halve, empty)


@pytest.mark.parametrize(
    ("where", "harm", "deep", "fault"),
    [
        (large, lose, False, "is gone"),
        (large, spoil, False, "has 1 bytes, not 1048576"),
        (large, flip, True, "has other bytes than its sha256 says"),
        (lambda root: loose(root, "dir/f.txt"), lose, False, "cannot be read"),
        (lambda root: loose(root, "dir/f.txt"), spoil, False, "cannot be read"),
        (lambda root: loose(root, "dir"), lose, False, "cannot be read"),
        (lambda root: git(root) / "refs/heads/main", lose, False, "refs/heads/main leads to no commit"),
        *((lambda root: git(root) / "refs/heads/main", harm, False, "refs/heads/main") for harm in HARMS),
        *((lambda root: git(root) / "refs/tags/v1", harm, False, "refs/tags/v1") for harm in HARMS),
        (lambda root: git(root) / "hub.json", lose, False, "no hub.json"),
        (lambda root: git(root) / "hub.json", spoil, False, "settings"),
        (lambda root: git(root) / "access.json", spoil, False, "access.json is broken"),
        (lambda root: git(root) / "HEAD", lose, False, "no git repository"),
        (lambda root: next(root.glob("collections/local/*.json")), spoil, False, "no collection is in it"),
    ],
)
def test_each_fault_is_named_and_stops_the_clearing(
    root: Path, where: Callable[[Path], Path], harm: Callable[[Path], None], deep: bool, fault: str
) -> None:
    path = where(root)
    if path.name == "access.json":
        path.touch()
    harm(path)
    if deep:
        assert medzoo_hub("check", "--root", str(root)) == "1 repositories, all is whole\n"
    out = medzoo_hub("check", "--root", str(root), *(["--deep"] if deep else []))
    assert fault in out
    assert "Error: 1 faults in 1 repositories" in out
    if not deep:
        with pytest.raises(Damaged, match="nothing was cleared"):
            tidy(root)


def test_broken_settings_hide_one_repository_and_no_other(root: Path) -> None:
    spoil(git(root) / "hub.json")
    with serving(root) as url:
        api = HfApi(endpoint=url, token="t")
        api.create_repo("local/b")
        assert [model.id for model in api.list_models()] == ["local/b"]


def test_only_what_nothing_leads_to_goes(root: Path, tmp_path: Path) -> None:
    young, other = os.urandom(2 << 20), os.urandom(2 << 20)
    with serving(root) as url:
        api = HfApi(endpoint=url, token="t")
        api.create_repo("local/gone")
        put(api, "local/gone", {"o.bin": young})
        api.delete_repo("local/gone")
        api.create_branch("local/a", branch="try")
        put(api, "local/a", {"o.bin": other, "x.txt": b"on the branch"}, revision="try")
        api.delete_branch("local/a", branch="try")
    assert tidy(root, min_age_s=3600) == Freed(0, 0, 0, 13), "too young to go"
    would = tidy(root, dry_run=True)
    # The branch left a commit, its tree, a file and a pointer; the repository that went left its large file.
    assert would == Freed(2, 4 << 20, 4, 0)
    assert tidy(root, dry_run=True) == would, "nothing went"
    assert tidy(root) == would
    assert tidy(root) == Freed(0, 0, 0, 0)
    assert medzoo_hub("check", "--root", str(root), "--deep") == "1 repositories, all is whole\n"
    assert [path.name for path in (git(root) / "objects").glob("??/*")] == []
    assert len(list((git(root) / "objects" / "pack").iterdir())) == 2
    with serving(root) as url:
        api = HfApi(endpoint=url, token="t")
        for revision, content in (("v1", b"small"), ("main", b"changed")):
            down = Path(api.snapshot_download("local/a", revision=revision, cache_dir=tmp_path / "cache"))
            assert (down / "dir/f.txt").read_bytes() == content
            assert (down / "w.bin").read_bytes() == WEIGHTS
        put(api, "local/a", {"after.txt": b"goes on"})
    assert "0 large files, 0.0 MB, and 0 git objects went; 3 packed" in medzoo_hub("gc", "--root", str(root))
    assert medzoo_hub("check", "--root", str(root)) == "1 repositories, all is whole\n"


def test_a_served_folder_is_neither_checked_nor_cleared(root: Path) -> None:
    with serving(root):
        for verb in ("check", "gc"):
            result = CliRunner().invoke(hub, [verb, "--root", str(root)])
            assert "already serves" in str(result.exception)


def test_a_spoiled_byte_in_a_pack_is_found_wherever_it_is(root: Path) -> None:
    tidy(root)
    (pack,) = (git(root) / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    whole = pack.read_bytes()
    store = Store(root)
    try:
        assert list(check(store)) == []
        for place in range(12, len(whole) - 20, 61):  # between the header and the checksum
            pack.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            assert list(check(store)) != [], place
    finally:
        store.close()


@pytest.mark.parametrize(
    "text", ["{}", '{"private": null}', '{"private": 0}', '{"private": true, "gated": 1}']
)
def test_settings_that_do_not_say_who_may_see_open_nothing(root: Path, text: str) -> None:
    (git(root) / "hub.json").write_text(text)
    assert "it does not say who may see what" in medzoo_hub("check", "--root", str(root))
    with serving(root) as url:
        assert HfApi(endpoint=url, token=False).repo_exists("local/a") is False
