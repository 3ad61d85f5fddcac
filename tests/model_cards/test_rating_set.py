"""The card of a set of ratings: metadata that `datasets` reads, and the report in words."""

from dataclasses import fields
from typing import Any

import pytest
from huggingface_hub import DatasetCard

from model_cards.rating_set import COLUMNS, render, render_pairs
from zoo.notice import NOTICE
from zoo.records import Rating

REPO = "ward/ratings"


def share(value: float) -> dict[str, float]:
    return {"value": value, "low": value / 2, "high": (1 + value) / 2, "n": 11}


def adapter(name: str, **more: Any) -> dict[str, Any]:
    names = ("none", "minor", "severe", "MM", "AM", "SLC", "LAS")
    return {
        "adapter": name,
        "variant": name,
        "repo": f"local/{name}",
        "sha": "c" * 40,
        "digest": "" if name == "base" else "d" * 64,
        "base": "phantom@" + "a" * 40,
        "shares": {one: share(0.25) for one in names},
        "cannot_judge": 3,
        **more,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    return {
        "cases": 12,
        "answers": 30,
        "ratings": 72,
        "raters": 3,
        "overlap": 2,
        "again": 0,
        "drawn": "11 pictures",
        "cannot_judge": 6,
        "datasets": ["mine | yours", "slake"],
        "modalities": {"CT": 8, "MR": 3},
        "adapters": [adapter("base"), adapter("mdpo")],
        "agreement": [
            {"what": "misunderstanding", "value": 0.61, "low": 0.4, "high": 0.8, "n": 28},
            {"what": "MM", "value": 0.5, "low": None, "high": None, "n": 28},
            {"what": "LAS", "value": None, "low": None, "high": None, "n": 28},
        ],
        "texts": True,
        "images": 0,
        "comments": False,
        "license": "cc-by-4.0",
        "publishable": True,
        "restricted": False,
        "fingerprint": "f" * 64,
    }


def test_the_metadata_says_licence_tags_and_which_files_hold_what(report: dict[str, Any]) -> None:
    data = DatasetCard(render(report, repo=REPO)).data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert data["tags"] == ["medvlm-zoo", "mdpo", "phantom", "ratings", "human-feedback", "medical"]
    assert [(one["config_name"], one["data_files"][0]["path"]) for one in data["configs"]] == [
        ("ratings", "ratings.jsonl"),
        ("predictions", "predictions.jsonl"),
        ("questions", "questions.jsonl"),
    ]
    assert data["configs"][0]["default"] is True


def test_the_columns_are_the_keys_of_a_rating_in_their_order(report: dict[str, Any]) -> None:
    keys = [field.name for field in fields(Rating)]
    assert list(COLUMNS) == keys
    (info,) = DatasetCard(render(report, repo=REPO)).data.to_dict()["dataset_info"]
    assert [feature["name"] for feature in info["features"]] == keys


def test_a_licence_that_the_hub_does_not_know_goes_by_its_name(report: dict[str, Any]) -> None:
    data = DatasetCard(render(report | {"license": "cc-by-4.0 and unknown"}, repo=REPO)).data.to_dict()
    assert (data["license"], data["license_name"]) == ("other", "cc-by-4.0-and-unknown")


def test_the_report_is_told_in_full(report: dict[str, Any]) -> None:
    text = DatasetCard(render(report, repo=REPO)).text
    for words in (
        "72 ratings by 3 raters of 30 answers to 12 medical visual questions (mine \\| yours, slake)",
        "Each case was given to 2 raters.",
        '"cannot judge" (6 of 72 here)',
        f"| mdpo | mdpo | phantom@{'a' * 40} | local/mdpo@{'c' * 40} | `{'d' * 16}` |",
        f"| base | base | phantom@{'a' * 40} | – | – |",
        "| mdpo | " + "25.0 [12.5, 62.5] | " * 7 + "11 | 3 |",
        "Modalities: CT 8, MR 3.",
        "| misunderstanding | 0.610 [0.400, 0.800] | 28 |",
        "| MM | 0.500, no interval: too few items | 28 |",
        "| LAS | not defined: one label alone | 28 |",
        "Their comments are not here",
        "No picture is here.",
        f"`{'f' * 64}`",
    ):
        assert words in text
    assert text.count(NOTICE) == 2


def test_an_adapter_that_nobody_could_judge_has_no_shares(report: dict[str, Any]) -> None:
    unjudged = adapter("base", shares={}, cannot_judge=24)
    text = render(report | {"adapters": [unjudged, adapter("mdpo")]}, repo=REPO)
    assert "| base | " + "– | " * 7 + "0 | 24 |" in text


def test_ratings_that_were_said_again_are_told(report: dict[str, Any]) -> None:
    assert "Repeats" not in render(report, repo=REPO)
    assert "**Repeats.** 6 of the ratings say once more" in render(report | {"again": 6}, repo=REPO)


def test_what_is_in_it_is_said_and_what_is_not(report: dict[str, Any]) -> None:
    full = render(report | {"images": 12, "comments": True}, repo=REPO)
    assert "- 12 pictures are here as PNG" in full
    assert "burned into the pixels" in full
    assert "Comments are the raters' own words" in full
    bare = render(report | {"texts": False, "agreement": [], "raters": 1}, repo=REPO)
    assert "72 ratings by 1 rater of" in bare
    assert "they were erased when the list was closed" in bare
    assert "predictions.jsonl" not in bare
    assert "No answer was rated by two raters" in bare


def test_the_same_report_gives_the_same_card(report: dict[str, Any]) -> None:
    assert render(report, repo=REPO) == render(report, repo=REPO)


def test_the_card_of_pairs_says_that_they_stay_and_how_they_were_made() -> None:
    report = {
        "license": "unknown",
        "publishable": False,
        "restricted": True,
        "pairs": 20,
        "questions": 9,
        "raters": 2,
        "reference": True,
        "weights": {"none": 0.25, "minor": 0.5, "severe": 1.0},
        "left_out": {"raters are split": 4},
    }
    card = render_pairs(report)
    for words in (
        "20 preference pairs from 9 questions, ranked blind by 2 raters.",
        "they are for your own machine",
        "The true answer is chosen over the worst answer as well.",
        "none 0.25, minor 0.5, severe 1.0",
        "- 4 made no pair: raters are split.",
        "not to reach a third party",
        NOTICE,
    ):
        assert words in card
    assert "as well" not in render_pairs(report | {"reference": False})
