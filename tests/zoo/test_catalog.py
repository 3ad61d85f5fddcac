import json

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi

from training.publish import publish
from zoo.catalog import Entry, adapters, look_up, ranked, verified
from zoo.cli.ls import ls
from zoo.cli.pull import pull
from zoo.cli.show import show
from zoo.errors import BadInput, BadManifest, DigestMismatch, HubError
from zoo.manifest import read_manifest
from zoo.records import Prediction, write_jsonl

BROKEN = "zoo/broken"


@pytest.fixture
def three(make_adapter, hub):
    """A Hub with two sound adapters and one whose manifest lacks a key; the commits of the sound ones."""
    shas = {}
    for variant, value in (("sft", 0.6), ("mdpo", 0.8)):
        scores = read_manifest(make_adapter(f"draft-{variant}", variant=variant)).model_dump(mode="json")
        scores["evaluation"][0]["value"] = value
        folder = make_adapter(variant, variant=variant, evaluation=scores["evaluation"])
        shas[variant] = publish(folder, f"zoo/{variant}", endpoint=hub).sha
    folder = make_adapter("broken", seed=3)
    publish(folder, BROKEN, endpoint=hub)
    raw = json.loads((folder / "zoo.json").read_text())
    del raw["license"]
    HfApi(endpoint=hub, token="local").upload_file(
        path_or_fileobj=json.dumps(raw).encode(), path_in_repo="zoo.json", repo_id=BROKEN
    )
    return shas


def _run(command, *arguments):
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_the_catalog_lists_the_best_first_and_a_broken_manifest_with_its_reason(three, hub):
    entries = adapters(endpoint=hub)
    assert [entry.repo for entry in entries] == ["zoo/mdpo", "zoo/sft", BROKEN]
    assert [entry.sha for entry in entries[:2]] == [three["mdpo"], three["sft"]]
    assert entries[0].score().value == 0.8
    assert isinstance(entries[2].error, BadManifest)
    assert entries[2].error.message == f"{BROKEN}@{entries[2].sha}/zoo.json: key 'license' is missing"


def test_the_catalog_filters_by_base_variant_and_data_set(three, hub):
    assert [e.repo for e in adapters(variant="sft", endpoint=hub)] == ["zoo/sft"]
    assert [e.repo for e in adapters(base="qwen3-vl-4b", endpoint=hub)] == []
    assert [e.repo for e in adapters(dataset="slake", endpoint=hub)] == [BROKEN]


def test_what_a_manifest_says_counts_and_not_what_a_tag_says(three, hub, make_adapter):
    from zoo.hub import publish_folder

    folder = make_adapter("liar", variant="dpo")
    (folder / "README.md").write_text("---\ntags: [medvlm-zoo, mdpo, phantom]\n---\n")
    publish_folder(folder, "zoo/liar", message="first", endpoint=hub)
    assert [e.repo for e in adapters(variant="mdpo", endpoint=hub)] == ["zoo/mdpo", BROKEN]


def test_an_adapter_without_the_score_comes_after_those_that_have_it(make_adapter):
    scored = Entry(repo="z/scored", sha="1", manifest=read_manifest(make_adapter("a")))
    unscored = Entry(repo="a/unscored", sha="2", manifest=read_manifest(make_adapter("b", evaluation=[])))
    broken = Entry(repo="a/broken", sha="3", error=BadManifest("no"))
    assert ranked([broken, unscored, scored]) == [scored, unscored, broken]
    assert unscored.score() is None
    assert scored.score("open_recall") is None


def test_weights_other_than_the_manifest_states_are_refused(make_adapter):
    folder = make_adapter()
    assert verified(folder) == read_manifest(folder)
    path = folder / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DigestMismatch, match=r"has sha256 .* but zoo.json states"):
        verified(folder)


def test_ls_prints_a_row_an_adapter_and_the_reason_of_a_broken_one(three, hub):
    result = _run(ls, "--hub", hub)
    lines = [line.split("  ") for line in result.output.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert rows[0] == ["repo", "sha", "base", "variant", "data set", "accuracy (95 % interval)", "n", "made"]
    assert rows[1] == [
        "zoo/mdpo",
        three["mdpo"][:8],
        "phantom",
        "mdpo",
        "phantom",
        "0.800 (0.670-0.750)",
        "500",
        "2026-11-22",
    ]
    assert rows[2][0] == "zoo/sft"
    assert rows[3][0] == BROKEN
    assert "key 'license' is missing" in rows[3][-1]
    assert len(rows) == 4


def test_ls_prints_json_for_programs(three, hub):
    listed = json.loads(_run(ls, "--hub", hub, "--json", "--variant", "sft").output)
    assert [(one["repo"], one["sha"], one["error"]) for one in listed] == [("zoo/sft", three["sft"], None)]
    assert (listed[0]["score"]["value"], listed[0]["score"]["n"]) == (0.6, 500)


def test_ls_of_an_empty_hub_says_so(hub):
    assert _run(ls, "--hub", hub).output == f"no adapters of the zoo on {hub} that match\n"


def test_show_prints_what_is_known_of_an_adapter(three, hub, make_adapter):
    shown = _run(show, "zoo/mdpo", "--hub", hub).output
    manifest = look_up("zoo/mdpo", endpoint=hub).manifest
    for part in (
        f"zoo/mdpo@{three['mdpo']}",
        "mdpo: Title of mdpo",
        f"phantom, medvlm-zoo/phantom@{'a' * 40}",
        "Prefer(preferred=chosen, over=rejected_response, beta=0.1) + Anchor(branch=chosen",
        f"sha256 {manifest.weights_sha256}",
        "accuracy, all of phantom/test: 0.800 (0.670-0.750), n 500; base 0.620, SFT 0.700",
        "licence     apache-2.0",
    ):
        assert part in shown
    assert _run(show, f"zoo/mdpo@{three['mdpo']}", "--hub", hub, "--json").output == manifest.to_json()
    assert "it was not evaluated" in _run(show, str(make_adapter("bare", evaluation=[]))).output


def test_pull_brings_whole_files_and_prints_path_commit_and_digest(three, hub, tmp_path):
    to = tmp_path / "deep" / "pulled"
    result = _run(pull, "zoo/mdpo@main", "--to", str(to), "--hub", hub)
    manifest = verified(to)
    assert result.stdout == (
        f"folder  {to}\nadapter zoo/mdpo@{three['mdpo']}\nwhat    mdpo on phantom\n"
        f"sha256  {manifest.weights_sha256}\n"
    )
    assert not any(path.is_symlink() for path in to.rglob("*"))
    assert [path.name for path in to.parent.iterdir()] == ["pulled"]
    with pytest.raises(BadInput, match="is not empty"):
        _run(pull, "zoo/mdpo", "--to", str(to), "--hub", hub)


def test_pull_refuses_weights_that_are_not_those_of_the_manifest(three, hub, tmp_path):
    HfApi(endpoint=hub, token="local").upload_file(
        path_or_fileobj=b"damaged", path_in_repo="adapter_model.safetensors", repo_id="zoo/mdpo"
    )
    with pytest.raises(DigestMismatch):
        _run(pull, "zoo/mdpo", "--to", str(tmp_path / "pulled"), "--hub", hub)
    assert not (tmp_path / "pulled").exists()
    _run(pull, f"zoo/mdpo@{three['mdpo']}", "--to", str(tmp_path / "pulled"), "--hub", hub)


def test_publish_names_the_repo_in_the_manifest_and_tells_where_it_is(make_adapter, hub):
    folder = make_adapter()
    done = publish(folder, "zoo/x", endpoint=hub, tag="v1")
    assert read_manifest(folder).repo == "zoo/x"
    assert look_up("zoo/x", "v1", endpoint=hub).manifest == read_manifest(folder)
    assert (done.pinned, done.address) == (f"zoo/x@{done.sha}", f"{hub}/zoo/x/tree/{done.sha}")


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"evaluation": []}, BadInput, "was not evaluated"),
        ({"license": " "}, BadInput, "'license' is empty"),
        ({"weights_sha256": "0" * 64}, DigestMismatch, "states"),
        ({"colour": "blue"}, BadManifest, "colour"),
    ],
)
def test_publish_refuses_what_must_not_go_up_and_leaves_the_hub_alone(
    make_adapter, hub, changes, error, complaint
):
    with pytest.raises(error, match=complaint):
        publish(make_adapter(**changes), "zoo/x", endpoint=hub)
    assert not HfApi(endpoint=hub, token="local").repo_exists("zoo/x")


def test_an_unevaluated_adapter_goes_up_if_one_insists(make_adapter, hub):
    folder = make_adapter(evaluation=[])
    publish(folder, "zoo/x", endpoint=hub, allow_unevaluated=True)
    assert "has not been evaluated" in (folder / "README.md").read_text()


@pytest.mark.parametrize(("dataset", "goes_up"), [("phantom", True), ("a-hospital", False)])
def test_predictions_go_up_only_where_their_questions_may_be_passed_on(make_adapter, hub, dataset, goes_up):
    folder = make_adapter()
    prediction = Prediction(
        question_id="q",
        dataset=dataset,
        split="test",
        images=("scan.png",),
        prompt="?",
        truth="left",
        answer_type="open",
        question_type="side",
        options=(),
        error_types=(),
        base="phantom@a",
        adapter="mdpo",
        variant="mdpo",
        digest="",
        answer="left",
        tokens=1,
    )
    write_jsonl(folder / "predictions.jsonl", [prediction])
    done = publish(folder, "zoo/x", endpoint=hub)
    there = HfApi(endpoint=hub, token="local").list_repo_files("zoo/x", revision=done.sha)
    assert ("predictions.jsonl" in there) is goes_up
    assert (done.left_out == "") is goes_up


def test_a_second_publish_to_a_moved_repo_is_its_own_commit(make_adapter, hub):
    first = publish(make_adapter("one", seed=1), "zoo/x", endpoint=hub)
    second = publish(make_adapter("two", seed=2), "zoo/x", endpoint=hub)
    assert first.sha != second.sha
    old, new = (look_up("zoo/x", sha, endpoint=hub).manifest for sha in (first.sha, second.sha))
    assert old.weights_sha256 != new.weights_sha256


def test_the_catalog_tells_that_a_hub_is_down():
    with pytest.raises(HubError, match="does not answer"):
        adapters(endpoint="http://127.0.0.1:9")
