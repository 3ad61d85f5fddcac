import json
import os

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi, close_session

from tests._scored import scored
from tests.zoo._carded import api_of
from training.publish import publish
from zoo.catalog import Entry, adapters, look_up, ranked, verified
from zoo.cli.diff import diff
from zoo.cli.ls import ls
from zoo.cli.pull import pull
from zoo.cli.show import show
from zoo.errors import BadInput, BadManifest, DigestMismatch, HubError
from zoo.localhub.server import serving
from zoo.manifest import read_manifest

BROKEN = "zoo/broken"
EVALUATION = {
    "metric": "accuracy",
    "subset": "all",
    "dataset": "phantom",
    "split": "test",
    "value": 0.71,
    "low": 0.67,
    "high": 0.75,
    "n": 500,
    "fingerprint": "b" * 64,
}


@pytest.fixture
def three(make_adapter, hub):
    """A Hub with two sound adapters and one whose manifest lacks a key; the commits of the sound ones."""
    shas = {}
    for variant, right in (("sft", 12), ("mdpo", 16)):
        folder = scored(make_adapter(variant, variant=variant), right=right)
        shas[variant] = publish(folder, f"zoo/{variant}", endpoint=hub).sha
    folder = make_adapter("broken", seed=3)
    publish(scored(folder), BROKEN, endpoint=hub)
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


def test_the_catalog_filters_by_base_variant_data_set_licence_and_score(three, hub):
    assert [e.repo for e in adapters(variant="sft", endpoint=hub)] == ["zoo/sft"]
    assert [e.repo for e in adapters(base="qwen3-vl-4b", endpoint=hub)] == []
    assert [e.repo for e in adapters(dataset="slake", endpoint=hub)] == [BROKEN]
    assert [e.repo for e in adapters(license="mit", endpoint=hub)] == [BROKEN]
    assert [e.repo for e in adapters(license="apache-2.0", least=0.7, endpoint=hub)] == ["zoo/mdpo", BROKEN]


def test_what_a_manifest_says_counts_and_not_what_a_tag_says(three, hub, make_adapter):
    from zoo.hub_publish import publish_folder

    folder = make_adapter("liar", variant="dpo")
    (folder / "README.md").write_text("---\ntags: [medvlm-zoo, mdpo, phantom]\n---\n")
    publish_folder(folder, "zoo/liar", message="first", endpoint=hub)
    assert [e.repo for e in adapters(variant="mdpo", endpoint=hub)] == ["zoo/mdpo", BROKEN]


def test_a_whole_model_that_bears_the_tag_is_no_broken_adapter(three, hub):
    tagged = b"---\ntags: [medvlm-zoo, mdpo, phantom]\n---\n"
    for repo, files in (("zoo/merged", {"config.json": b"{}"}), ("zoo/lost", {})):
        api_of(hub).create_repo(repo)
        for name, text in {"README.md": tagged, **files}.items():
            api_of(hub).upload_file(path_or_fileobj=text, path_in_repo=name, repo_id=repo)
    assert [e.repo for e in adapters(variant="mdpo", endpoint=hub)] == ["zoo/mdpo", BROKEN, "zoo/lost"]


def test_an_adapter_without_the_score_comes_after_those_that_have_it(make_adapter):
    scored = Entry(repo="z/scored", sha="1", manifest=read_manifest(make_adapter("a")))
    unscored = Entry(repo="a/unscored", sha="2", manifest=read_manifest(make_adapter("b", evaluation=[])))
    broken = Entry(repo="a/broken", sha="3", error=BadManifest("no"))
    assert ranked([broken, unscored, scored]) == [scored, unscored, broken]
    assert unscored.score() is None
    assert scored.score("open_recall") is None


def test_each_order_puts_first_what_it_says(make_adapter):
    def entry(repo, **changes):
        return Entry(repo=repo, sha="1", manifest=read_manifest(make_adapter(repo, **changes)))

    base = {"name": "a-base", "repo": "x/a-base", "revision": "a" * 40}
    entries = [
        entry("z/new", created="2026-12-01T00:00:00+00:00"),
        entry("y/best", evaluation=[EVALUATION | {"value": 0.9}]),
        entry("x/other-base", base=base, evaluation=[EVALUATION | {"value": 0.1}]),
        Entry(repo="a/broken", sha="3", error=BadManifest("no")),
    ]
    found = {
        order: [one.repo[0] for one in ranked(entries, order=order)]
        for order in ("base", "metric", "date", "repo")
    }
    assert found == {"base": list("xyza"), "metric": list("yzxa"), "date": list("zxya"), "repo": list("xyza")}
    assert [one.repo[0] for one in ranked(entries, order="metric", better=-1)] == list("xzya")


def test_what_two_judges_say_is_ranked_within_each_judge(make_adapter):
    def entry(repo, judge, value):
        judged = EVALUATION | {"metric": "judge_accuracy", "judge": judge, "value": value}
        return Entry(repo=repo, sha="1", manifest=read_manifest(make_adapter(repo, evaluation=[judged])))

    entries = [entry("a/x", "mild", 0.9), entry("b/x", "mild", 0.7), entry("c/x", "harsh", 0.8)]
    entries.append(Entry(repo="d/x", sha="1", manifest=read_manifest(make_adapter("d"))))
    for order in ("base", "metric"):
        found = ranked(reversed(entries), metric="judge_accuracy", order=order)
        assert [one.repo[0] for one in found] == list("cabd")


def test_ls_names_the_judges_whose_scores_are_not_comparable(make_adapter, hub, monkeypatch):
    def entry(repo, judge):
        judged = EVALUATION | {"metric": "judge_accuracy", "judge": judge}
        return Entry(repo=repo, sha="1", manifest=read_manifest(make_adapter(repo, evaluation=[judged])))

    entries = [entry("a/x", "harsh"), entry("b/x", "mild")]
    for listed, said in ((entries, True), (entries[:1], False)):
        monkeypatch.setattr("zoo.catalog.adapters", lambda listed=listed, **options: listed)
        lines = _run(ls, "--metric", "judge_accuracy", "--hub", hub).output.splitlines()
        warning = "judge_accuracy is not comparable between: test by harsh; test by mild"
        assert (warning in lines) is said


def test_a_score_without_the_own_images_is_not_the_adapter_s(make_adapter):
    noisy = EVALUATION | {"shown": "noise", "value": 0.2}
    entry = Entry(repo="z/x", sha="1", manifest=read_manifest(make_adapter(evaluation=[noisy, EVALUATION])))
    assert entry.score().value == 0.71


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
    rows = [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in result.output.splitlines()
    ]
    assert rows[0] == [
        *("repo", "sha", "base", "variant", "data set", "accuracy (95 % interval)", "over SFT", "n"),
        *("license", "made"),
    ]
    e = look_up("zoo/mdpo", endpoint=hub).manifest.evaluation[0]
    assert rows[1] == [
        *("zoo/mdpo", "v1", three["mdpo"][:8], "phantom", "mdpo", "phantom"),
        f"0.800 ({e.low:.3f}-{e.high:.3f})",
        f"+0.200 ({e.over_sft.low:+.3f} to {e.over_sft.high:+.3f}) †",
        *("20", "apache-2.0", "2026-11-22"),
    ]
    assert rows[2][:2] == ["zoo/sft", "v1"]
    assert rows[2][7] == "-"
    assert rows[3] == ["† does not survive the correction for all comparisons made with it"]
    assert rows[4][0] == BROKEN
    assert "key 'license' is missing" in rows[4][-1]
    assert len(rows) == 5


def test_ls_says_no_difference_and_what_is_private_or_gated(make_adapter, hub):
    publish(scored(make_adapter(), right=12), "zoo/x", endpoint=hub, private=True, gated="manual")
    (_, row) = _run(ls, "--hub", hub).output.splitlines()
    assert "no difference (+0.000 to +0.000)" in row
    assert row.endswith("private, gated (manual)")


def test_ls_prints_json_for_programs(three, hub):
    listed = json.loads(_run(ls, "--hub", hub, "--json", "--variant", "sft").output)
    assert [(one["repo"], one["sha"], one["error"]) for one in listed] == [("zoo/sft", three["sft"], None)]
    assert (listed[0]["score"]["value"], listed[0]["score"]["n"], listed[0]["version"]) == (0.6, 20, "v1")


def test_a_table_drops_its_spare_columns_on_a_narrow_terminal_alone(monkeypatch):
    from zoo.cli import _text

    rows = [("repo", "made", "n"), ("zoo/x", "2026-11-22", "5")]
    assert _text.aligned(rows, spare=("made", "n")) == ["repo   made        n", "zoo/x  2026-11-22  5"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(_text.shutil, "get_terminal_size", lambda: os.terminal_size((12, 24)))
    assert _text.aligned(rows, spare=("made", "n")) == ["repo   n", "zoo/x  5"]


def test_ls_of_an_empty_hub_says_so(hub):
    assert _run(ls, "--hub", hub).output == f"no adapters of the zoo on {hub} that match\n"


def test_show_prints_what_is_known_of_an_adapter(three, hub, make_adapter):
    shown = _run(show, "zoo/mdpo", "--hub", hub).output
    manifest = look_up("zoo/mdpo", endpoint=hub).manifest
    whole = manifest.evaluation[0]
    for part in (
        f"zoo/mdpo@{three['mdpo']}",
        f"versions    v1 {three['mdpo'][:8]} (this one)",
        "mdpo: Title of mdpo",
        f"phantom, medvlm-zoo/phantom@{'a' * 40}",
        "Prefer(preferred=chosen, over=rejected_response, beta=0.1) + Anchor(branch=chosen",
        "licence     apache-2.0",
        f"  0.800 ({whole.low:.3f}-{whole.high:.3f})",
        "phantom/test: 20 questions about 20 images, apache-2.0, at most 64 tokens",
        f"weights     sha256 {manifest.weights_sha256}",
        f"predictions/phantom-test.jsonl  sha256 {manifest.benchmarks[0].predictions_sha256}",
    ):
        assert part in shown
    assert _run(show, f"zoo/mdpo@{three['mdpo']}", "--hub", hub, "--json").output == manifest.to_json()
    assert "it was not evaluated" in _run(show, str(make_adapter("bare", evaluation=[]))).output


def test_show_prints_every_metric_of_the_whole_and_the_first_one_s_subsets(make_adapter):
    side = EVALUATION | {"subset": "side", "value": 0.5}
    other = {"metric": "open_recall"}
    folder = make_adapter(evaluation=[EVALUATION, side, EVALUATION | other, side | other])
    lines = _run(show, str(folder)).output.splitlines()
    first = lines.index("SCORES") + 2
    assert [line.split()[1:3] for line in lines[first : first + 3]] == [
        ["all", "accuracy"],
        ["all", "open_recall"],
        ["side", "accuracy"],
    ]
    assert lines[first + 3] == "  and 1 more by subset: --json"


def test_show_says_how_much_the_image_matters(make_adapter):
    noisy = EVALUATION | {
        "shown": "noise",
        "own_value": 0.71,
        "value": 0.5,
        "lost": {"low": 0.1, "high": 0.3},
    }
    shown = _run(show, str(make_adapter(evaluation=[EVALUATION, noisy]))).output
    (row,) = [line for line in shown.splitlines() if "with noise" in line]
    cells = [cell for cell in row.split("  ") if cell]
    assert [cell.strip() for cell in cells[2:]] == [
        *("with noise for the image", "0.710", "0.500", "+0.210 (+0.100 to +0.300)", "500")
    ]


def test_what_was_fetched_is_shown_and_pulled_again_without_a_hub(make_adapter, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving(tmp_path / "root") as hub:
        sha = publish(scored(make_adapter()), "zoo/x", endpoint=hub).sha
        _run(pull, "zoo/x", "--hub", hub)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    for name in ("zoo/x", f"zoo/x@{sha}"):
        shown = _run(show, name, "--hub", hub).output
        assert shown.startswith(f"zoo/x@{sha}\n\nHUB\n  versions    not known: ")
        assert f"adapter zoo/x@{sha}\n" in _run(pull, name, "--hub", hub).output
        diffed = json.loads(_run(diff, name, name, "--hub", hub, "--json").output)
        assert (diffed["same_weights"], diffed["scores"][0]["bounds"]) == (
            True,
            {"low": 0, "high": 0, "value": 0, "adjusted_p": None},
        )


def test_pull_brings_whole_files_and_prints_path_commit_and_digest(three, hub, tmp_path):
    to = tmp_path / "deep" / "pulled"
    result = _run(pull, "zoo/mdpo@main", "--to", str(to), "--hub", hub)
    manifest = verified(to)
    assert result.stdout == (
        f"folder  {to}\nadapter zoo/mdpo@{three['mdpo']}\nwhat    mdpo on phantom\n"
        f"sha256  {manifest.weights_sha256}\n"
    )
    assert not any(path.is_symlink() for path in to.rglob("*"))
    assert (to / "predictions" / "phantom-test.jsonl").is_file()
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


def test_the_catalog_tells_that_a_hub_is_down():
    with pytest.raises(HubError, match="does not answer"):
        adapters(endpoint="http://127.0.0.1:9")
