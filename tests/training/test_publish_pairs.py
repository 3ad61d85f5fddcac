"""A pair set on a Hub: what goes up, what is refused, and that it comes back as it was."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from huggingface_hub import HfApi, snapshot_download

from training.cli.train import train
from training.pairs.build import build_pairs
from training.pairs.crop import Crop
from training.pairs.report import fingerprint, read_report, write_report
from training.pairs.step import Draft, Dropped, Halves, Only, Part, Tools
from training.publish import publish_pairs
from zoo.datasets import load_questions
from zoo.errors import BadInput, BadRecord, HubError

REPO = "zoo/phantom-crops"
BASE = "phantom@" + "a" * 40


@dataclass(frozen=True)
class Deny:
    """A step that rejects one fixed sentence."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        how = {"writer": "denier 1", "edits": [["yes", 3], None]}
        return [draft.having(how, rejected="Nothing is seen.") for draft in drafts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three text and three visual pairs without weights or spans; each half says how in keys of its own."""
    out = tmp_path / "pairs"
    questions = load_questions("phantom", "train", limit=3)
    steps = (Halves(), Only("visual", Crop()), Only("text", Deny()))
    build_pairs("mine", steps, Tools(questions=questions, seed=0), out, base=BASE)
    return out


def api(hub: str) -> HfApi:
    return HfApi(endpoint=hub, token="local")


def test_records_images_report_and_card_go_up_in_one_commit_and_nothing_else(folder: Path, hub: str) -> None:
    (folder / ".notes").write_text("mine")
    done = publish_pairs(folder, REPO, endpoint=hub, tag="v1")
    commits = api(hub).list_repo_commits(REPO, repo_type="dataset")
    assert commits[0].commit_id == done.sha
    assert commits[0].title == "6 pairs for mine from phantom/train"
    there = set(api(hub).list_repo_files(REPO, repo_type="dataset", revision="v1")) - {".gitattributes"}
    images = {f"{kind}/{path.name}" for kind in ("images", "rejected") for path in (folder / kind).iterdir()}
    assert len(images) >= 4
    assert there == {"README.md", "pairs.json", "pairs.jsonl"} | images
    assert done.pinned == f"{REPO}@{done.sha}"
    assert done.address == f"{hub}/datasets/{REPO}/tree/{done.sha}"


def test_a_hub_finds_it_by_the_tags_of_its_card(folder: Path, hub: str) -> None:
    publish_pairs(folder, REPO, endpoint=hub)
    tags = api(hub).dataset_info(REPO).tags
    assert {"medvlm-zoo", "mine", "phantom", "license:apache-2.0"} <= set(tags or ())


def test_a_downloaded_pair_set_is_the_one_that_was_made(folder: Path, hub: str, tmp_path: Path) -> None:
    """With what the client and the Hub leave beside it."""
    done = publish_pairs(folder, REPO, endpoint=hub)
    copy = tmp_path / "copy"
    snapshot_download(REPO, repo_type="dataset", revision=done.sha, endpoint=hub, local_dir=copy)
    assert (copy / ".cache").is_dir()
    assert fingerprint(copy) == read_report(copy).fingerprint == read_report(folder).fingerprint
    assert (copy / "pairs.jsonl").read_bytes() == (folder / "pairs.jsonl").read_bytes()


def test_datasets_reads_the_records_by_the_cards_metadata(
    folder: Path, hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a whole column is null and where `made_by` has other keys in each half."""
    datasets = pytest.importorskip("datasets")
    done = publish_pairs(folder, REPO, endpoint=hub)
    copy = tmp_path / "copy"
    snapshot_download(REPO, repo_type="dataset", revision=done.sha, endpoint=hub, local_dir=copy)
    found = datasets.load_dataset(str(copy), split="train", cache_dir=str(tmp_path / "cache"))
    lines = (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    assert found.to_list() == [json.loads(line) for line in lines]
    assert found.features["weight"].dtype == "float64"


def test_the_cards_command_is_one_that_medzoo_knows(folder: Path, hub: str) -> None:
    publish_pairs(folder, REPO, endpoint=hub)
    card = (folder / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^medzoo train (.*)$", card, re.MULTILINE)
    assert line.startswith("mine --base phantom ")
    known = {option for param in train.params for option in param.opts}
    assert {word for word in line.split() if word.startswith("--")} <= known


def test_publishing_again_takes_down_images_that_are_no_longer_part_of_it(folder: Path, hub: str) -> None:
    api(hub).create_repo(REPO, repo_type="dataset")
    for name in ("rejected/old.png", "figure.svg"):
        api(hub).upload_file(path_or_fileobj=b"old", path_in_repo=name, repo_id=REPO, repo_type="dataset")
    publish_pairs(folder, REPO, endpoint=hub)
    there = api(hub).list_repo_files(REPO, repo_type="dataset")
    assert "rejected/old.png" not in there
    assert "figure.svg" in there


@pytest.mark.parametrize(
    "terms",
    [
        {"publishable": False},
        {"license": "cc-by-nc-nd-4.0"},
        {"license": "apache-2.0 and physionet-credentialed"},
    ],
    ids=["not publishable", "no derivatives", "one of two is closed"],
)
def test_pairs_whose_licence_forbids_it_stay_here(folder: Path, hub: str, terms: dict[str, object]) -> None:
    report = replace(read_report(folder), dataset="iu-xray", **terms)  # type: ignore[arg-type]
    write_report(folder, report)
    with pytest.raises(BadInput, match="pairs of iu-xray/train, whose licence") as refused:
        publish_pairs(folder, REPO, endpoint=hub)
    assert report.license in refused.value.message
    assert not (folder / "README.md").exists()
    assert not api(hub).repo_exists(REPO, repo_type="dataset")


def test_pairs_that_were_changed_by_hand_are_refused(folder: Path, hub: str) -> None:
    next((folder / "rejected").iterdir()).write_bytes(b"another picture")
    with pytest.raises(BadRecord, match="has changed since it was made"):
        publish_pairs(folder, REPO, endpoint=hub)


def test_a_public_data_set_is_never_taken_for_a_private_one(folder: Path, hub: str) -> None:
    publish_pairs(folder, REPO, endpoint=hub)
    with pytest.raises(HubError, match="is public already"):
        publish_pairs(folder, REPO, endpoint=hub, private=True)


def test_a_folder_without_a_report_is_no_pair_set(tmp_path: Path, hub: str) -> None:
    with pytest.raises(BadRecord, match="is no pair set"):
        publish_pairs(tmp_path, REPO, endpoint=hub)
