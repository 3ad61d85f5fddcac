"""The card of a set of ratings: README.md with metadata that `datasets.load_dataset` reads; and the short one
of preference pairs that were made of ratings.

The same report gives the same card, byte for byte. It reads the report as plain data and computes nothing.
"""

from collections.abc import Mapping
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from model_cards import licences
from model_cards.page import page
from zoo.hub import TAG

README_NAME = "README.md"
_TEXT = {"dtype": "string"}
COLUMNS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "question_id": ("the question's name in its data set", _TEXT),
    "dataset": ("the data set of the question", _TEXT),
    "split": ("its split", _TEXT),
    "adapter": ("who gave the answer: an adapter, or `base`", _TEXT),
    "answer_sha256": ("sha256 of the answer, as UTF-8", _TEXT),
    "rater": ("a pseudonym, the same in every list of one server", _TEXT),
    "misunderstanding": ("`none`, `minor` or `severe`; null where the rater cannot judge", _TEXT),
    "error_types": ("of MM, AM, SLC, LAS", {"list": "string"}),
    "rank": ("place among the answers to the question, 1 the best, ties allowed", {"dtype": "int64"}),
    "modality": ("of the pictures, where it is known", _TEXT),
    "variant": ("the adapter's variant", _TEXT),
    "digest": ("sha256 of the adapter's weights; empty for the base", _TEXT),
    "base": ("name and revision of the base", _TEXT),
    "case_sha256": ("sha256 over the pictures' pixels and the prompt that the rater saw", _TEXT),
    "pictures_sha256": ("sha256 over the pictures' pixels; empty where it was not kept", _TEXT),
    "made_at": ("the day on which the rater was done with the question", {"dtype": "date32"}),
    "comment": ("what the rater wrote of the answer; empty unless comments were asked for", _TEXT),
}
"""What each key of a rating holds, and its type as `datasets` writes it."""
ERROR_TYPES = {
    "MM": "the modality is wrong",
    "AM": "the anatomy is wrong",
    "SLC": "side or place is wrong",
    "LAS": "it is not specific",
}


def card_data(report: Mapping[str, Any]) -> DatasetCardData:
    """The YAML metadata at the card's head."""
    variants = sorted({one["variant"] for one in report["adapters"]} - {"", "base"})
    on = sorted({one["base"].partition("@")[0] for one in report["adapters"]} - {""})
    names = ["ratings", *(["predictions", "questions"] if report["texts"] else [])]
    return DatasetCardData(
        language="en",
        **licences.metadata(report["license"], link="README.md#licence"),
        task_categories=["visual-question-answering", "image-text-to-text"],
        tags=[TAG, *variants, *on, "ratings", "human-feedback", "medical"],
        configs=[
            {
                "config_name": name,
                **({"default": True} if name == "ratings" else {}),
                "data_files": [{"split": "train", "path": f"{name}.jsonl"}],
            }
            for name in names
        ],
        dataset_info=[
            {
                "config_name": "ratings",
                "features": [{"name": name, **of} for name, (_, of) in COLUMNS.items()],
            }
        ],
    )


def render(report: Mapping[str, Any], *, repo: str) -> str:
    """The whole README.md of the ratings with that report (`ratings.json`), published as `repo`."""
    return page(
        DatasetCard,
        "rating_set.md.j2",
        card_data(report),
        r=report,
        title=repo,
        columns=[(name, about) for name, (about, _) in COLUMNS.items()],
        error_types=ERROR_TYPES,
        shares=("none", "minor", "severe", *ERROR_TYPES),
        licence_sentence=licences.sentence(report["license"]),
    )


def render_pairs(report: Mapping[str, Any]) -> str:
    """The README.md of preference pairs with that report (`rated.json`), which stay where they were made."""
    licence = report["license"]
    terms = licences.metadata(licence, link="README.md#terms")
    data = DatasetCardData(language="en", **terms, tags=[TAG, "preference"])
    sentence = licences.sentence(licence)
    return page(DatasetCard, "rated_pairs.md.j2", data, r=report, licence_sentence=sentence)
