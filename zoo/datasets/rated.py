"""Preference pairs from raters' rankings, in the folder that `medzoo ratings export --kind pairs.zip` gives.

    pairs.jsonl   the pairs (zoo.records.PreferencePair), all of them of the split `train`
    images/       the pictures, at the paths that they name
    rated.json    the terms: license, publishable, restricted; and what was left out, by reason

Without its terms a folder is taken as not to be published and not to be sent to a third party.
"""

import json
from pathlib import Path

from pydantic import BaseModel, ValidationError

from zoo.datasets import Contents, Dataset, Given
from zoo.datasets._rows import Reading, pictures_in
from zoo.errors import BadInput, BadRecord
from zoo.records import PreferencePair, read_jsonl

PAIRS_NAME = "pairs.jsonl"
TERMS_NAME = "rated.json"
SPLIT = "train"
LAYOUT = f"{PAIRS_NAME}, images/ and {TERMS_NAME} (from `medzoo ratings export LIST --kind pairs.zip`)"


class Terms(BaseModel):
    """What may be done with the pairs, and what did not become one."""

    license: str = "unknown"
    publishable: bool = False
    restricted: bool = True
    left_out: dict[str, int] = {}


def read(folder: Path, split: str) -> Contents:
    """The pairs as questions whose answer is the chosen response, with the rejected one and its weight.

    Raises:
        BadInput: the folder holds no pairs.
        BadRecord: a pair or the terms are not what the layout promises, or a pair rejects no response.
    """
    if not (folder / PAIRS_NAME).is_file():
        raise BadInput(f"{folder} has no {PAIRS_NAME}", hint=f"it is to hold {LAYOUT}")
    terms = _terms(folder / TERMS_NAME)
    reading = Reading(dataset="rated", split=split)
    given: dict[str, Given] = {}
    for pair in read_jsonl(folder / PAIRS_NAME, PreferencePair):
        if pair.rejected is None:
            raise BadRecord(f"{folder / PAIRS_NAME}: pair {pair.id} rejects no response")
        taken = reading.add(
            pair.id,
            images=pair.images,
            prompt=pair.prompt,
            answer=pair.chosen,
            answer_type="open",
            question_type="rated",
        )
        if taken:
            given[pair.id] = Given(rejected=pair.rejected.strip(), weight=pair.weight)
    return Contents(
        questions=tuple(reading.questions),
        open_image=pictures_in(folder),
        given=given,
        notes=(
            *reading.notes(),
            *(f"{count} made no pair: {why}" for why, count in terms.left_out.items()),
        ),
        license=terms.license,
        publishable=terms.publishable,
        restricted=terms.restricted,
    )


def _terms(path: Path) -> Terms:
    if not path.is_file():
        return Terms()
    try:
        return Terms.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise BadRecord(f"{path}: not the terms of pairs ({type(error).__name__})") from error


DATASET = Dataset(
    splits=(SPLIT,),
    license="unknown",
    publishable=False,
    restricted=True,
    about="Pairs of answers that your own raters ranked blind, weighted by the severity of the worse.",
    risks=(
        "Bias: that of a few raters and of the cases that they were given; where they were split or tied "
        "there is no pair.",
        "Risk: the chosen answer is the better of two and may still be wrong.",
        "Privacy: pictures, questions and answers are those of your own cases; raters go by pseudonyms.",
    ),
    layout=LAYOUT,
    read=read,
)
