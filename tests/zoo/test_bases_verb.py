"""`medzoo bases`: what is listed, pinned, kept in a folder and checked. Hubs are embedded ones."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import CommitOperationAdd, HfApi

from zoo.bases import bases, declared_bases, folder_revision, get_base, known_base
from zoo.cli.bases import bases as verb
from zoo.errors import BadInput, HubUnreachable, NotOnHub

QWEN = "qwen3-vl-4b"
UNPINNED = "huatuo-vision-7b-qwen2.5vl"


@pytest.fixture(autouse=True)
def _nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    bases.cache_clear()
    yield
    bases.cache_clear()


def run(*words: str, fails: bool = False) -> Result:
    done = CliRunner().invoke(verb, list(words), catch_exceptions=False)
    assert (done.exit_code != 0) == fails, done.output
    return done


@pytest.fixture
def commit(hub: str) -> Callable[..., str]:
    """Call it to make a commit in a repo of the embedded Hub, which is made if it is not there."""
    api = HfApi(endpoint=hub, token="local")

    def make(repo: str, text: str, *, gated: bool = False) -> str:
        api.create_repo(repo, exist_ok=True)
        add = CommitOperationAdd("config.json", text.encode())
        sha = api.create_commit(repo, [add], commit_message="one").oid
        if gated:
            api.update_repo_settings(repo, gated="auto")
        return sha

    return make


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from zoo.vlm.builders.stand_in import build_stand_in

    folder = tmp_path_factory.mktemp("stand-in") / "qwen"
    build_stand_in(declared_bases()[QWEN], folder)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A small Qwen3-VL with random weights."""
    return shutil.copytree(built, tmp_path / "qwen")


def test_the_list_fits_a_terminal_and_says_what_can_be_done_with_each_base(tmp_path: Path) -> None:
    lines = run().output.splitlines()
    rows = {line.split()[0]: line for line in lines[1:-2]}
    assert rows.keys() == bases().keys()
    assert all(len(line) <= 110 for line in lines)
    states = {name: row.split("  ")[-1].strip() for name, row in rows.items()}
    assert states == {
        "huatuo-vision-7b": "to be converted",
        "huatuo-vision-7b-hf": "ready, from the Hub",
        "huatuo-vision-7b-qwen2.5vl": "to be pinned",
        "llava-med++": "to be converted",
        "llava-med-v1.5": "to be converted",
        "medgemma-4b": "ready, from the Hub, gated",
        "phantom": "ready, comes along",
        "pocket": "to be built",
        "qwen3-vl-4b": "ready, from the Hub",
    }
    assert rows["llava-med-v1.5"].split()[1:4] == ["91bb16c12200", "7.6", "B"]
    assert rows[UNPINNED].split()[1:3] == ["not", "pinned"]


def test_the_page_of_a_base_tells_images_prompt_terms_and_published_numbers_by_source() -> None:
    text = run("llava-med-v1.5").output
    assert max(map(len, text.splitlines())) < 145  # an address is not broken
    assert "  model       7,566,227,456 parameters\n" in text
    assert (
        "  images      one a question, padded to a square with the mean colour, 336 x 336 pixels, "
        "576 tokens each\n"
    ) in text
    assert "  <s>[INST] <image>\n  Is there a nodule? [/INST]\n" in text
    assert "converted weights stay on the disk" in text
    assert (
        "  MMedPO, Table 1, arXiv 2412.06141\n    recall of open questions, %: SLAKE 44.26, VQA-RAD 29.24\n"
        in text
    )
    assert text.endswith(
        "  next: medzoo convert microsoft/llava-med-v1.5-mistral-7b --base llava-med-v1.5 --out FOLDER\n"
    )


def test_programs_get_the_same_as_json() -> None:
    every = json.loads(run("--json").output)
    assert [one["name"] for one in every] == list(bases())
    one = json.loads(run("medgemma-4b", "--json").output)
    assert one["state"] == "ready, from the Hub, gated"
    assert one["next"] == "medzoo serve --base medgemma-4b"
    assert one["config"] == declared_bases()["medgemma-4b"].config
    assert one in every


def test_a_base_that_nobody_could_cite_a_commit_of_is_pinned_to_the_hubs(
    hub: str, commit: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = known_base(UNPINNED).repo
    first = commit(repo, "1")
    monkeypatch.setenv("HF_ENDPOINT", hub)
    assert run(UNPINNED, "--pin").output == (
        f"{UNPINNED}\n  was  no commit of {repo}\n  is   {first} of {repo}\n"
    )
    assert get_base(UNPINNED).revision == first
    second = commit(repo, "2")
    said = run(UNPINNED, "--pin", second).output
    assert f"  was  {first} of {repo}\n  is   {second} of {repo}\n" in said
    assert f"adapters of {first[:12]} are of another base" in said
    assert run(UNPINNED, "--pin", "main").output == f"{UNPINNED} stays as it was: {second} of {repo}\n"
    assert run(UNPINNED, "--unpin").output.endswith(f"  next: medzoo bases {UNPINNED} --pin\n")
    with pytest.raises(BadInput, match="no commit of"):
        get_base(UNPINNED)
    with pytest.raises(BadInput, match=f"nothing is kept of {UNPINNED}"):
        run(UNPINNED, "--unpin")


def test_pinning_to_the_declared_commit_keeps_nothing() -> None:
    declared = declared_bases()["llava-med-v1.5"]
    run("llava-med-v1.5", "--pin", "c" * 40)  # a full commit needs no Hub
    assert known_base("llava-med-v1.5").revision == "c" * 40
    assert run("llava-med-v1.5").output.count("c" * 40) == 1
    said = run("llava-med-v1.5", "--pin", declared.revision).output
    assert known_base("llava-med-v1.5") == declared
    assert said.endswith(f"  next: {declared.obstacle.next}\n")
    with pytest.raises(BadInput, match="nothing is kept"):
        run("llava-med-v1.5", "--unpin")


def test_a_gated_base_is_pinned_with_the_word_that_its_terms_are_to_be_accepted(
    hub: str, commit: Callable[..., str]
) -> None:
    sha = commit("google/medgemma-4b-it", "1", gated=True)
    said = run("medgemma-4b", "--pin", "--hub", hub).output
    assert known_base("medgemma-4b").revision == sha
    assert f"accepted the terms at {hub}/google/medgemma-4b-it: set HF_TOKEN" in said


def test_a_hub_that_has_no_such_repo_or_is_not_there_changes_nothing(hub: str) -> None:
    with pytest.raises(NotOnHub, match="is not on"):
        run(QWEN, "--pin", "--hub", hub)
    with pytest.raises(HubUnreachable):
        run(QWEN, "--pin", "--hub", "http://127.0.0.1:9")
    assert known_base(QWEN) == declared_bases()[QWEN]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("phantom", "comes with this package"),
        ("pocket", "lies on no Hub"),
    ],
)
def test_there_is_no_commit_to_pin_of_what_comes_along_or_is_built(name: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        run(name, "--pin")


def test_a_folder_is_kept_once_it_was_checked_under_a_digest_of_its_own(folder: Path) -> None:
    said = run(QWEN, "--at", str(folder), "--any-size").output
    revision = folder_revision(folder)
    assert f"  is   {revision} in {folder}\n" in said
    assert "  nothing shows which commit it is, so it is a base of its own; " in said
    assert (get_base(QWEN).folder, get_base(QWEN).revision) == (folder, revision)
    row = next(line for line in run().output.splitlines() if line.startswith(QWEN))
    assert len(row) <= 110
    assert row.endswith("/qwen")
    assert run(QWEN, "--unpin").output.endswith(f"  {folder} is still there\n")
    assert known_base(QWEN) == declared_bases()[QWEN]


def test_a_folder_whose_weights_are_those_published_keeps_the_commit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.bases import file_digests
    from zoo.cli import _bases_kept

    weights = {name: one for name, one in file_digests(folder).items() if name.endswith(".safetensors")}
    published = {QWEN: replace(declared_bases()[QWEN], files=weights)}
    monkeypatch.setattr(_bases_kept, "declared_bases", lambda: published)
    said = run(QWEN, "--at", str(folder), "--any-size").output
    assert get_base(QWEN).revision == declared_bases()[QWEN].revision
    assert "its weights are those that were published for that commit" in said
    assert "of another base" not in said


def test_a_folder_that_is_not_the_base_is_refused_and_nothing_is_kept(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        run(QWEN, "--at", str(folder))
    assert refused.value.message.startswith(f"{folder} is not {QWEN}: ")
    assert refused.value.hint == f"medzoo bases {QWEN} --check {folder}"
    folder = folder.rename(tmp_path / "a folder")
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(BadInput, match=r"is not qwen3-vl-4b: .* and 1 fault more") as refused:
        run(QWEN, "--at", str(folder), "--any-size")
    assert refused.value.hint == f"medzoo bases {QWEN} --check '{folder}' --any-size"
    assert known_base(QWEN) == declared_bases()[QWEN]


def test_a_kept_folder_that_is_gone_is_told_and_forgotten_by_what_is_said(folder: Path) -> None:
    run(QWEN, "--at", str(folder), "--any-size")
    folder.rename(folder.with_name("moved"))
    with pytest.raises(BadInput, match=f"{folder}, which was kept as {QWEN}, is no folder any more") as told:
        get_base(QWEN)
    assert told.value.hint == f"medzoo bases {QWEN} --unpin"
    assert "still there" not in run(QWEN, "--unpin").output
    assert known_base(QWEN) == declared_bases()[QWEN]


def test_a_base_that_is_not_built_yet_is_looked_for_on_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BadInput, match="pocket has not been built on this machine"):
        run("pocket", "--check")


def test_a_check_ends_with_1_if_something_is_wrong_and_with_0_if_not(folder: Path) -> None:
    right = run(QWEN, "--check", str(folder), "--any-size")
    assert right.output.splitlines()[0] == str(folder)
    assert right.output.endswith("no fault\n")
    wrong = run(QWEN, "--check", str(folder), fails=True)
    assert "  FAULT     config    config.json says another thing: text_config.hidden_size is" in wrong.output
    told = json.loads(run(QWEN, "--check", str(folder), "--json", fails=True).output)
    assert (told["checkpoint"], told["faults"] > 0) == (str(folder), True)


def test_a_repo_is_checked_for_the_commit_that_was_pinned_here(
    folder: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    api, repo = HfApi(endpoint=hub, token="local"), known_base(QWEN).repo
    api.create_repo(repo)
    sha = api.upload_folder(repo_id=repo, folder_path=folder).oid
    run(QWEN, "--pin")
    assert f"  ok        commit    {sha}\n" in run(QWEN, "--check", repo, "--any-size").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pin",), "name the base: medzoo bases NAME --pin"),
        ((QWEN, "--pin", "main", "--unpin"), "--pin and --unpin exclude each other"),
        ((QWEN, "--unpin", "--at", "."), "--unpin and --at exclude each other"),
        ((QWEN, "--at", ".", "--check"), "--at and --check exclude each other"),
        ((QWEN, "--digests"), "--digests goes with --check"),
        ((QWEN, "--any-size"), "--any-size goes with --check or --at"),
        ((QWEN, "--hub", "http://x"), "--hub goes with --pin or --check"),
        ((QWEN, "--unpin", "--json"), "--json does not go with --unpin"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: tuple[str, ...], said: str) -> None:
    done = run(*words, fails=True)
    assert done.exit_code == 2
    assert f"Error: {said}" in done.output
