"""Resolving, fetching and listing what is on a Hub."""

import socket
import subprocess
import sys

import pytest
from huggingface_hub import close_session

from tests._scored import scored
from tests.zoo._carded import CARD, REPO, api_of, files_at
from zoo.errors import BadAdapter, BadInput, HubUnreachable, NotOnHub
from zoo.hub import (
    RepoRef,
    fetch,
    fetch_file,
    hub_address,
    last_resolved,
    list_adapters,
    parse_ref,
    parse_repo,
    resolve,
)
from zoo.hub_access import cache_of
from zoo.hub_publish import publish_folder
from zoo.localhub.server import serving

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("zoo/x", RepoRef("zoo/x", "main")),
        ("zoo/x@v1.0", RepoRef("zoo/x", "v1.0")),
        ("zoo/x@refs/pr/1", RepoRef("zoo/x", "refs/pr/1")),
        ("a-b/c_d.e@" + "f" * 40, RepoRef("a-b/c_d.e", "f" * 40)),
    ],
)
def test_a_repo_is_read_with_its_revision(text, ref):
    assert parse_ref(text) == ref


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "./x/y", "../x", "/x", "a/b/c", "zoo/..", "zoo--y/x", "zoo/x\n"),
        *("zoo/x@", "zoo/x@a b", "zoo/x@../y", "zoo/x@/y", "zoo/x@a@b", "zoo/x@v1\n"),
    ],
)
def test_what_is_no_repo_is_refused_with_the_form_to_type(text):
    with pytest.raises(BadInput, match="namespace/name"):
        parse_ref(text)


def test_nothing_is_published_to_a_revision():
    with pytest.raises(BadInput, match="only a repo can be published to"):
        parse_repo("zoo/x@main")


@pytest.mark.parametrize("address", ["127.0.0.1:80", "ftp://x", "http://", "http://x:99999"])
def test_a_hub_needs_a_web_address(address):
    with pytest.raises(BadInput, match="no Hub's address"):
        hub_address(address)


def test_the_environment_names_the_hub(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1234/")
    assert hub_address() == "http://127.0.0.1:1234"
    assert hub_address("http://localhost:5") == "http://localhost:5"


def test_an_adapter_is_fetched_at_one_commit_by_branch_tag_and_sha(adapter, hub):
    sha = publish_folder(adapter, REPO, message="first", tag="v1", endpoint=hub)
    (adapter / "README.md").write_text(CARD.format(variant="sft"))
    newer = publish_folder(adapter, REPO, message="second", endpoint=hub)
    for revision in ("v1", sha):
        folder, got = fetch(REPO, revision, endpoint=hub)
        assert (got, (folder / "README.md").read_text()) == (sha, CARD.format(variant="mdpo"))
    folder, got = fetch(REPO, endpoint=hub)
    assert (got, (folder / "README.md").read_text()) == (newer, CARD.format(variant="sft"))
    assert sorted(p.name for p in folder.iterdir()) == [
        ".eval_results",
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "zoo.json",
    ]


def test_a_sha_fetched_before_needs_no_hub_and_a_name_is_never_guessed(
    adapter, tmp_path, monkeypatch, connects
):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving(tmp_path / "root") as hub:
        sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
        folder, _ = fetch(REPO, endpoint=hub)
    connects.clear()
    assert fetch(REPO, sha, endpoint=hub) == (folder, sha)
    assert last_resolved(REPO, endpoint=hub) == sha
    assert last_resolved(REPO, "v1", endpoint=hub) is None
    assert connects == []
    with pytest.raises(HubUnreachable, match="does not answer") as error:
        fetch(REPO, endpoint=hub)
    assert f"{REPO}@{sha} needs no Hub" in error.value.hint


def test_offline_a_name_means_what_its_hub_last_said_and_the_rest_is_told_apart(
    adapter, tmp_path, monkeypatch
):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving(tmp_path / "root") as hub:
        sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
        folder, _ = fetch(REPO, endpoint=hub)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    assert fetch(REPO, endpoint=hub) == (folder, sha)
    assert fetch_file(REPO, sha, "zoo.json", endpoint=hub) == folder / "zoo.json"
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE is set"):
        fetch(REPO, "v1", endpoint=hub)
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE is set"):
        list_adapters(endpoint=hub)


def test_weights_that_another_tool_fetched_do_not_stand_for_the_answers_too(make_adapter, hub):
    adapter = scored(make_adapter())
    answers = "predictions/phantom-test.jsonl"
    sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
    for name in ("adapter_config.json", "adapter_model.safetensors", "zoo.json"):
        bare = fetch_file(REPO, sha, name, endpoint=hub).parent  # as PEFT does
    assert fetch(REPO, sha, evidence=False, endpoint=hub)[0] == bare
    assert not (bare / answers).exists()
    whole, _ = fetch(REPO, sha, endpoint=hub)
    assert (whole / answers).read_bytes() == (adapter / answers).read_bytes()


def test_two_hubs_share_no_cache(adapter, make_adapter, hub, tmp_path):
    other = make_adapter("other", seed=1)
    publish_folder(adapter, REPO, message="first", endpoint=hub)
    with serving(tmp_path / "second-root") as second:
        publish_folder(other, REPO, message="first", endpoint=second)
        here, there = fetch(REPO, endpoint=hub)[0], fetch(REPO, endpoint=second)[0]
        weights = "adapter_model.safetensors"
        assert (here / weights).read_bytes() == (adapter / weights).read_bytes()
        assert (there / weights).read_bytes() == (other / weights).read_bytes()


def test_what_is_not_on_the_hub_is_told_with_repo_revision_and_address(adapter, hub):
    with pytest.raises(NotOnHub) as error:
        fetch("zoo/nothing", endpoint=hub)
    assert "zoo/nothing@main" in error.value.message
    assert hub in error.value.message
    publish_folder(adapter, REPO, message="first", endpoint=hub)
    for revision in ("v9", "e" * 40):
        with pytest.raises(NotOnHub) as error:
            fetch(REPO, revision, endpoint=hub)
        assert f"{REPO}@{revision}" in error.value.message


def test_a_repo_that_holds_no_adapter_is_refused(hub):
    api_of(hub).create_repo("zoo/base")
    api_of(hub).upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id="zoo/base")
    with pytest.raises(NotOnHub, match=r"is no adapter of the zoo: it has no adapter_model\.safetensors"):
        fetch("zoo/base", endpoint=hub)


@pytest.mark.parametrize(
    "act",
    [
        lambda: resolve(REPO, endpoint=NOWHERE),
        lambda: fetch(REPO, "e" * 40, endpoint=NOWHERE),
        lambda: list_adapters(endpoint=NOWHERE),
    ],
    ids=["resolve", "fetch", "list"],
)
def test_a_hub_that_is_down_is_asked_once(act, tmp_path, monkeypatch, connects):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HubUnreachable, match=NOWHERE):
        act()
    assert connects == [("127.0.0.1", 9)]


def test_a_hub_lists_what_carries_the_tag_and_filters_by_base_and_variant(make_adapter, hub):
    for variant in ("mdpo", "sft"):
        folder = make_adapter(variant, variant=variant)
        (folder / "README.md").write_text(CARD.format(variant=variant))
        publish_folder(folder, f"zoo/{variant}", message="first", endpoint=hub)
    api_of(hub).create_repo("zoo/other")
    assert [one.repo for one in list_adapters(endpoint=hub)] == ["zoo/mdpo", "zoo/sft"]
    found = list_adapters(base="phantom", variant="sft", endpoint=hub)
    assert [(one.repo, one.sha) for one in found] == [("zoo/sft", resolve("zoo/sft", endpoint=hub))]
    assert list_adapters(base="llava-med-v1.5", endpoint=hub) == []


def test_a_list_says_what_is_private_and_what_is_gated(adapter, hub):
    publish_folder(adapter, REPO, message="first", endpoint=hub)
    publish_folder(adapter, REPO + "-own", message="first", private=True, gated="manual", endpoint=hub)
    listed = [(one.repo, one.private, one.gated) for one in list_adapters(endpoint=hub)]
    assert listed == [(REPO, False, ""), (REPO + "-own", True, "manual")]


@pytest.fixture
def connects(monkeypatch):
    """Every address that this process tries to reach, in order."""
    tried, connect = [], socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, at: tried.append(at) or connect(self, at))
    return tried


def _stderr(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip()


@pytest.mark.parametrize("module", ["zoo.hub", "zoo.catalog", "model_cards.card", "training.publish"])
def test_cards_and_hub_need_no_torch(module):
    heavy = ("torch", "transformers", "peft", "gradio", "fastapi")
    code = f"import sys, {module}; sys.exit(' '.join(m for m in {heavy} if m in sys.modules))"
    assert _stderr(code) == ""


@pytest.mark.parametrize(
    "module", ["zoo.cli.ls", "zoo.cli.show", "zoo.cli.pull", "zoo.cli.diff", "zoo.cli.hf", "model_cards.cli"]
)
def test_a_verb_is_imported_without_what_it_needs_to_run(module):
    heavy = ("huggingface_hub", "pydantic", "numpy", "jinja2")
    code = f"import sys, {module}; sys.exit(' '.join(m for m in {heavy} if m in sys.modules))"
    assert _stderr(code) == ""


def test_a_hub_that_keeps_silent_is_unreachable_after_a_while(monkeypatch, connects):
    monkeypatch.setattr("zoo.hub.ANSWER_S", 0.2)
    monkeypatch.setattr("zoo.hub_access.SILENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(HubUnreachable, match="does not answer"):
            resolve("local/one", endpoint=address)
        with pytest.raises(HubUnreachable, match="does not answer"):
            fetch("local/one", "a" * 40, endpoint=address)
        assert connects == [silent.getsockname()] * 2


def test_an_adapter_that_is_too_large_is_refused_by_name_before_anything_of_it_is_fetched(adapter, hub):
    (adapter / "log.jsonl").write_text("{}\n" * 1000)
    sha = publish_folder(adapter, REPO, message="first", endpoint=hub)
    size = sum((adapter / name).stat().st_size for name in files_at(hub, sha))
    with pytest.raises(BadAdapter, match=f"its files have {size} bytes.*; the limit is {size - 1}"):
        fetch(REPO, endpoint=hub, max_bytes=size - 1)
    assert not list(cache_of(hub).rglob("*.safetensors"))
    assert fetch(REPO, endpoint=hub, max_bytes=size)[1] == sha


def test_a_manifest_that_is_not_small_is_refused_by_name(adapter, hub, monkeypatch):
    size = (adapter / "zoo.json").stat().st_size
    publish_folder(adapter, REPO, message="first", endpoint=hub)
    monkeypatch.setattr("zoo.hub.SMALL_BYTES", size - 1)
    with pytest.raises(BadAdapter, match=f"zoo.json has {size} bytes, the limit is {size - 1}"):
        fetch(REPO, endpoint=hub, max_bytes=1 << 30)


def test_an_endless_name_is_not_quoted_whole():
    for text in ("x" * 100_000, "zoo/x@" + "a/../" * 100_000):
        with pytest.raises(BadInput) as error:
            parse_ref(text)
        assert len(str(error.value)) < 1000
