"""The card of a pair set: metadata that a Hub and `datasets` read, and the report in words."""

from dataclasses import fields
from typing import Any

import pytest
from huggingface_hub import DatasetCard

from model_cards.pair_set import COLUMNS, render
from zoo.datasets import get_dataset
from zoo.notice import NOTICE
from zoo.records import PreferencePair

REPO = "zoo/slake-pairs"


@pytest.fixture
def report() -> dict[str, Any]:
    return {
        "variant": "targeted_mdpo",
        "base": "phantom@" + "a" * 40,
        "policy": "",
        "dataset": "slake",
        "split": "train",
        "license": "cc-by-4.0",
        "publishable": True,
        "seed": 3,
        "steps": [{"step": "Crop", "scale": [0.01, 0.2]}],
        "questions": 300,
        "kept": 211,
        "dropped": {"no span": 60, "rejected | equals chosen": 29},
        "halves": {"both": 211},
        "words": {
            "chosen": {"mean": 1.9, "median": 1.0, "most": 12},
            "rejected": {"mean": 8.25, "median": 7.0, "most": 31},
        },
        "longer_is_chosen": 0.125,
        "length_only_accuracy": 0.875,
        "makers": ["crop 1", "rule-based writer 1"],
        "fingerprint": "f" * 64,
    }


def test_the_metadata_says_licence_tags_and_which_file_holds_the_pairs(report: dict[str, Any]) -> None:
    data = DatasetCard(render(report, repo=REPO)).data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert data["tags"] == ["medvlm-zoo", "targeted_mdpo", "phantom", "preference", "dpo", "medical"]
    assert data["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "pairs.jsonl"}]}
    ]


def test_the_columns_are_the_keys_of_a_pair_in_their_order(report: dict[str, Any]) -> None:
    keys = [field.name for field in fields(PreferencePair)]
    assert list(COLUMNS) == keys
    data = DatasetCard(render(report, repo=REPO)).data.to_dict()
    assert [feature["name"] for feature in data["dataset_info"]["features"]] == keys


def test_several_licences_are_all_named(report: dict[str, Any]) -> None:
    card = DatasetCard(render(report | {"license": "cc-by-4.0 and cc0-1.0"}, repo=REPO))
    assert card.data.to_dict()["license"] == ["cc-by-4.0", "cc0-1.0"]
    assert "All of these hold at once." in card.text


def test_the_report_is_told_in_full(report: dict[str, Any]) -> None:
    text = DatasetCard(render(report, repo=REPO)).text
    for row in (
        "| kept | 211 pairs of 300 questions |",
        "| dropped: no span | 60 |",
        "| dropped: rejected \\| equals chosen | 29 |",
        "| rejected: both | 211 |",
        "| words, chosen response | 1.9 on average, median 1.0, at most 12 |",
        "| words, rejected response | 8.25 on average, median 7.0, at most 31 |",
        "| the chosen response is the longer | 12.5 % |",
        "| guessing the chosen response by length alone | 87.5 % right |",
        "| made by | crop 1, rule-based writer 1 |",
        "| seed | 3 |",
        f"| sha256 over records and images | `{'f' * 64}` |",
    ):
        assert row in text
    assert '"scale": [' in text
    assert "[BoKelvin/SLAKE]" in text
    assert text.count(NOTICE) == 2


def test_lengths_are_left_out_where_no_response_is_rejected(report: dict[str, Any]) -> None:
    words = {"chosen": report["words"]["chosen"]}
    assert "by length alone" not in render(report | {"words": words}, repo=REPO)


def test_a_data_set_that_nobody_declared_has_a_card_too(report: dict[str, Any]) -> None:
    assert "| questions | mine, split train |" in render(report | {"dataset": "mine"}, repo=REPO)


def test_the_card_says_what_to_beware_of_in_the_data(report: dict[str, Any]) -> None:
    text = render(report, repo=REPO)
    assert get_dataset("slake").risks
    for risk in get_dataset("slake").risks:
        assert f"- {risk}\n" in text
    assert "## The data" not in render(report | {"dataset": "mine"}, repo=REPO)


def test_the_same_report_gives_the_same_card(report: dict[str, Any]) -> None:
    assert render(report, repo=REPO) == render(report, repo=REPO)
