"""The card of a published pair set: README.md with metadata that `datasets.load_dataset` reads.

The same report gives the same card, byte for byte. It reads the report as plain data and computes nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from model_cards import licences
from model_cards.page import page
from zoo.datasets import datasets
from zoo.hub import TAG

README_NAME = "README.md"
_TEXT = {"dtype": "string"}
_SPANS = {"list": {"list": "int64"}}
COLUMNS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "id": ("the pair's name", _TEXT),
    "question_id": ("the question's name in its data set", _TEXT),
    "images": ("the chosen images, paths in this repo", {"list": "string"}),
    "prompt": ("the question as it is put to the model", _TEXT),
    "chosen": ("the chosen response", _TEXT),
    "rejected": ("the rejected response; null where only the image is rejected", _TEXT),
    "rejected_images": ("the rejected images, paths in this repo; null if none", {"list": "string"}),
    "weight": (
        "how much the pair counts, before any normalisation; null if unweighted",
        {"dtype": "float64"},
    ),
    "chosen_spans": ("`[start, end)` characters of `chosen` that alone count; null if all do", _SPANS),
    "rejected_spans": ("the same of `rejected`", _SPANS),
    "rewards": ("`[start, end, reward]` of parts of `chosen`; null if none", {"list": {"list": "float64"}}),
    "made_by": ("who wrote what, and every number by which to make the pair again", {"dtype": "json"}),
}
"""What each key of a pair holds, and its type as `datasets` writes it; needed where a column is all null."""


def card_data(report: Mapping[str, Any]) -> DatasetCardData:
    """The YAML metadata at the card's head."""
    licence = [part.strip().lower() for part in report["license"].split(" and ")]
    return DatasetCardData(
        language="en",
        license=licence if len(licence) > 1 else licence[0],
        task_categories=["visual-question-answering", "image-text-to-text"],
        tags=[TAG, report["variant"], report["base"].partition("@")[0], "preference", "dpo", "medical"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "pairs.jsonl"}]}],
        dataset_info={"features": [{"name": name, **of} for name, (_, of) in COLUMNS.items()]},
    )


def render(report: Mapping[str, Any], *, repo: str) -> str:
    """The whole README.md of the pair set with that report (`pairs.json`), published as `repo`."""
    declared = datasets().get(report["dataset"])
    return page(
        DatasetCard,
        "pair_set.md.j2",
        card_data(report),
        r=report,
        title=repo,
        columns=[(name, about) for name, (about, _) in COLUMNS.items()],
        about=declared.about if declared else "",
        source=declared.source if declared else None,
        risks=declared.risks if declared else (),
        steps=json.dumps(report["steps"], indent=2, ensure_ascii=False),
        licence_sentence=licences.sentence(report["license"]),
    )
