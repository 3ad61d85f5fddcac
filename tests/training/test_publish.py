"""Publishing an adapter: what may go up, what stays here, and what is said of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi

from tests._scored import scored
from tests.conftest import MakeAdapter
from training.cli.publish import publish as verb
from training.publish import preview, publish
from zoo.catalog import look_up, verified
from zoo.errors import BadInput, BadManifest, DigestMismatch, ZooError
from zoo.hub import tags_of
from zoo.hub_collections import membership
from zoo.manifest import read_manifest

REPO = "zoo/x"
ANSWERS = "predictions/phantom-test.jsonl"


def api(hub: str) -> HfApi:
    return HfApi(endpoint=hub, token="local")


def test_publish_names_the_repo_in_the_manifest_and_tells_where_it_is(
    make_adapter: MakeAdapter, hub: str
) -> None:
    folder = scored(make_adapter())
    done = publish(folder, REPO, endpoint=hub)
    assert read_manifest(folder).repo == REPO
    assert look_up(REPO, "v1", endpoint=hub).manifest == read_manifest(folder)
    assert (done.pinned, done.address) == (f"{REPO}@{done.sha}", f"{hub}/{REPO}/tree/{done.sha}")
    assert (done.tag, done.pushed, done.left_out, done.note) == ("v1", True, (), "")
    assert {ANSWERS, "README.md", "zoo.json"} <= set(api(hub).list_repo_files(REPO, revision=done.sha))


def test_an_adapter_is_in_the_collection_of_its_base_once(make_adapter: MakeAdapter, hub: str) -> None:
    folders = {name: scored(make_adapter(name)) for name in ("one", "two")}
    for name in ("one", "two", "two"):
        done = publish(folders[name], f"zoo/{name}", endpoint=hub)
        assert done.collection == "MedVLM Zoo: phantom"
    (collection,) = api(hub).list_collections(owner="zoo")
    assert [item.item_id for item in api(hub).get_collection(collection.slug).items] == ["zoo/one", "zoo/two"]
    assert membership("phantom", "zoo/one", endpoint=hub).holds
    assert not membership("phantom", "zoo/three", endpoint=hub).holds


def test_a_private_adapter_that_came_first_hides_neither_later_ones_nor_its_collection(
    make_adapter: MakeAdapter, hub: str
) -> None:
    publish(scored(make_adapter("one")), "zoo/secret", endpoint=hub, private=True)
    stranger = HfApi(endpoint=hub, token=False)
    (before,) = stranger.list_collections(owner="zoo")
    assert (before.title, before.items) == ("MedVLM Zoo: phantom", [])
    assert list(stranger.list_collections(item="models/zoo/secret")) == []
    publish(scored(make_adapter("two")), "zoo/open", endpoint=hub)
    seen = {
        name: [item.item_id for item in one.get_collection(before.slug).items]
        for name, one in (("stranger", stranger), ("owner", api(hub)))
    }
    assert seen == {"stranger": ["zoo/open"], "owner": ["zoo/secret", "zoo/open"]}


def test_a_hub_without_collections_is_told_and_nothing_fails(
    make_adapter: MakeAdapter, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_collections(monkeypatch, 404)
    done = publish(scored(make_adapter()), REPO, endpoint=hub)
    assert (done.collection, done.note) == ("", f"{hub} has no collections")


def test_a_collection_that_may_not_be_written_is_told_and_the_version_stands(
    make_adapter: MakeAdapter, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_collections(monkeypatch, 403)
    done = publish(scored(make_adapter()), REPO, endpoint=hub)
    assert tags_of(REPO, endpoint=hub) == {"v1": done.sha}
    assert "it is in no collection" in done.note
    assert "the same command again adds it" in done.note


def refuse_collections(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Let the Hub's routes of collections answer with that status."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    def refusing(*_: Any, **__: Any) -> None:
        request = httpx2.Request("GET", "http://127.0.0.1/api/collections")
        raise HfHubHTTPError("no", response=httpx2.Response(status, request=request))

    monkeypatch.setattr(HfApi, "list_collections", refusing)


def test_the_same_again_publishes_nothing_and_says_so(make_adapter: MakeAdapter, hub: str) -> None:
    folder = scored(make_adapter())
    first = publish(folder, REPO, endpoint=hub)
    said = CliRunner().invoke(verb, [str(folder), REPO, "--hub", hub], catch_exceptions=False).output
    assert said.splitlines() == [
        f"nothing to publish: {REPO}@{first.sha} holds exactly this",
        f"  {hub}/{REPO}/tree/{first.sha}",
        "  version    v1",
        "  collection MedVLM Zoo: phantom",
    ]
    assert tags_of(REPO, endpoint=hub) == {"v1": first.sha}


def test_a_new_training_is_the_next_version_and_the_old_one_stays(
    make_adapter: MakeAdapter, hub: str
) -> None:
    first = publish(scored(make_adapter("one", seed=1)), REPO, endpoint=hub)
    second = publish(scored(make_adapter("two", seed=2)), REPO, endpoint=hub)
    assert tags_of(REPO, endpoint=hub) == {"v1": first.sha, "v2": second.sha}
    old, new = (look_up(REPO, tag, endpoint=hub).manifest for tag in ("v1", "v2"))
    assert old
    assert new
    assert old.weights_sha256 != new.weights_sha256


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"license": " "}, BadInput, "'license' is empty"),
        (
            {"license": "cc0-1.0"},
            BadInput,
            "'cc0-1.0' is wider than phantom .apache-2.0. and phantom .apache",
        ),
        ({"weights_sha256": "0" * 64}, DigestMismatch, "states"),
        ({"colour": "blue"}, BadManifest, "colour"),
        ({"evaluation": []}, BadInput, "was not evaluated"),
        ({"benchmarks": []}, BadInput, "phantom/test rest on no stored answers"),
    ],
)
def test_what_must_not_go_up_is_refused_and_the_hub_left_alone(
    make_adapter: MakeAdapter, hub: str, changes: dict[str, Any], error: type[ZooError], complaint: str
) -> None:
    folder = scored(make_adapter())
    change(folder, **changes)
    with pytest.raises(error, match=complaint):
        publish(folder, REPO, endpoint=hub)
    assert not api(hub).repo_exists(REPO)


def change(folder: Path, **keys: Any) -> None:
    """Change keys of a folder's manifest."""
    raw = json.loads((folder / "zoo.json").read_text())
    (folder / "zoo.json").write_text(json.dumps(raw | keys))


def test_answers_that_were_touched_are_refused(make_adapter: MakeAdapter, hub: str) -> None:
    folder = scored(make_adapter())
    text = (folder / ANSWERS).read_text()
    (folder / ANSWERS).write_text(text.replace('"answer": "right"', '"answer": "left"', 1))
    with pytest.raises(BadInput, match=f"{ANSWERS} has sha256 .*it was changed"):
        publish(folder, REPO, endpoint=hub)
    assert not api(hub).repo_exists(REPO)


def test_what_a_check_of_the_card_finds_is_refused_but_not_files_that_stay(
    make_adapter: MakeAdapter, hub: str
) -> None:
    folder = scored(make_adapter())
    (folder / "checkpoint.pt").write_bytes(b"stays")
    config = json.loads((folder / "adapter_config.json").read_text())
    named = config | {"base_model_name_or_path": "someone/else"}
    (folder / "adapter_config.json").write_text(json.dumps(named))
    for act in (publish, preview):
        with pytest.raises(
            BadInput, match=f"{folder}: several bases: medvlm-zoo/phantom in zoo.json, someone"
        ):
            act(folder, REPO, endpoint=hub)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    publish(folder, REPO, endpoint=hub)


def test_an_unevaluated_adapter_goes_up_if_one_insists(make_adapter: MakeAdapter, hub: str) -> None:
    folder = make_adapter(evaluation=[])
    publish(folder, REPO, endpoint=hub, allow_unevaluated=True)
    assert "has not been evaluated" in (folder / "README.md").read_text()


def test_a_variant_stands_beside_sft_unless_one_insists(make_adapter: MakeAdapter, hub: str) -> None:
    alone = scored(make_adapter(), sft_right=None)
    with pytest.raises(BadInput, match="nothing says what mdpo adds to imitation"):
        publish(alone, REPO, endpoint=hub)
    assert publish(alone, REPO, endpoint=hub, without_sft=True).pushed
    assert publish(scored(make_adapter("sft", variant="sft")), "zoo/sft", endpoint=hub).pushed


@pytest.mark.parametrize("dataset", ["iu-xray", "mimic-cxr", "a-hospital"])
def test_what_was_made_of_closed_data_stays_private_on_a_hub_of_one_s_own(
    make_adapter: MakeAdapter, hub: str, dataset: str
) -> None:
    data = read_manifest(make_adapter("other")).data.model_dump(mode="json") | {"dataset": dataset}
    licence = {"iu-xray": "cc-by-nc-nd-4.0", "mimic-cxr": "physionet-credentialed", "a-hospital": "unknown"}
    folder = scored(make_adapter(data=data, license=f"apache-2.0 and {licence[dataset]}"))
    with pytest.raises(BadInput, match="do not let what was made of them be passed on"):
        publish(folder, REPO, endpoint=hub)
    for shared in ("https://huggingface.co", "https://WWW.huggingface.co", "https://huggingface.co.:443"):
        with pytest.raises(BadInput, match="do not let what was made of them be passed on"):
            publish(folder, REPO, endpoint=shared, private=True)
    publish(folder, REPO, endpoint=hub, private=True)
    assert api(hub).model_info(REPO).private


@pytest.mark.parametrize(
    "terms",
    [{"publishable": False}, {"license": "cc-by-nc-nd-4.0"}, {"license": "nobody-knows"}],
    ids=["not publishable", "no derivatives", "unknown"],
)
def test_of_a_closed_benchmark_the_scores_go_up_and_the_answers_stay(
    make_adapter: MakeAdapter, hub: str, terms: dict[str, Any]
) -> None:
    folder = scored(make_adapter(), dataset="mimic-cxr", **terms)
    (folder / "predictions" / "left-over.jsonl").write_text("{}\n")
    done = publish(folder, REPO, endpoint=hub)
    assert done.left_out == ("predictions/left-over.jsonl", "predictions/mimic-cxr-test.jsonl")
    there = api(hub).list_repo_files(REPO, revision=done.sha)
    assert [name for name in there if name.startswith("predictions/")] == []
    manifest = look_up(REPO, endpoint=hub).manifest
    assert manifest
    assert [(b.dataset, b.publishable) for b in manifest.benchmarks] == [("mimic-cxr", False)]
    assert manifest.evaluation[0].value == 0.7


def test_a_dry_run_says_what_would_go_and_touches_nothing(make_adapter: MakeAdapter, hub: str) -> None:
    folder = scored(make_adapter())
    before = digests(folder)
    words = [str(folder), REPO, "--hub", hub, "--private", "--gated", "auto", "--dry-run"]
    lines = CliRunner().invoke(verb, words, catch_exceptions=False).output.splitlines()
    assert digests(folder) == before
    assert not api(hub).repo_exists(REPO)
    assert list(api(hub).list_collections(owner="zoo")) == []
    assert lines[:6] == [
        f"would publish to {REPO} on {hub}; nothing was changed",
        "  repo       is to be created",
        "  open to    its owners: private, gated (auto)",
        "  commit     mdpo on phantom, trained on phantom",
        "  version    v1",
        "  collection MedVLM Zoo: phantom: to be added, which is to be created",
    ]
    done = publish(folder, REPO, endpoint=hub, private=True, gated="auto")
    assert lines[6:] == [
        f"  new        {name}  {(folder / name).stat().st_size} bytes  sha256 {digest}"
        for name, digest in digests(folder).items()
    ]
    assert api(hub).model_info(REPO).sha == done.sha
    assert preview(folder, REPO, endpoint=hub).plan.is_done


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_what_was_published_is_what_was_checked(make_adapter: MakeAdapter, hub: str) -> None:
    from zoo.evaluation.rescore import rescore
    from zoo.hub import fetch

    folder = scored(make_adapter())
    sha = publish(folder, REPO, endpoint=hub).sha
    fetched, _ = fetch(REPO, sha, endpoint=hub)
    assert verified(fetched) == verified(folder)
    assert (rescore(fetched).faults, rescore(fetched).withheld) == ((), ())


@pytest.mark.parametrize("name", ["log.jsonl", "training.png", "README.md", ".eval_results", "predictions"])
def test_nothing_that_lies_outside_the_folder_is_published_or_written(
    make_adapter: MakeAdapter, hub: str, tmp_path: Path, name: str
) -> None:
    folder, outside = scored(make_adapter()), tmp_path / "outside"
    if name in ("predictions", ".eval_results"):
        outside.mkdir()
        if (folder / name).exists():
            outside.rmdir()
            (folder / name).rename(outside)
    elif name != "README.md":  # a link to nothing would be written through, too
        outside.write_text("a patient's")
    (folder / name).symlink_to(outside)
    before = sorted(path.name for path in [outside, *outside.glob("*")])
    for act in (preview, publish):
        with pytest.raises(BadInput, match="leads out of the folder"):
            act(folder, REPO, endpoint=hub)
    assert sorted(path.name for path in [outside, *outside.glob("*")]) == before
    assert (name == "README.md") != outside.exists()
    assert not api(hub).repo_exists(REPO)


def test_what_no_score_rests_on_and_what_is_half_written_stays_here(
    make_adapter: MakeAdapter, hub: str
) -> None:
    folder = scored(make_adapter())
    (folder / "verdicts").mkdir()
    for name in ("old-test.jsonl", "phantom-test.jsonl.new", "phantom-test.jsonl.part"):
        (folder / "predictions" / name).write_text("a patient's\n")
        (folder / "verdicts" / name).write_text("a patient's\n")
    done = publish(folder, REPO, endpoint=hub)
    assert done.left_out == ("predictions/old-test.jsonl", "verdicts/old-test.jsonl")
    there = [name for name in api(hub).list_repo_files(REPO) if name.endswith((".jsonl", ".new", ".part"))]
    assert there == [ANSWERS]


def test_a_dry_run_changes_neither_the_folder_nor_the_hub(
    make_adapter: MakeAdapter, hub: str, tmp_path: Path
) -> None:
    folder = scored(make_adapter())

    def everything() -> dict[Path, bytes]:
        roots = (folder, tmp_path / "hub-root")
        return {path: path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}

    for _ in ("a new repo", "one that is there"):
        before = everything()
        preview(folder, REPO, gated="auto", endpoint=hub)
        assert everything() == before
        publish(folder, REPO, endpoint=hub)
