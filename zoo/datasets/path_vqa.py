"""PathVQA (He et al. 2020): questions on pathology pictures of textbooks, which are not ours to re-host.

The official folder `pvqa`, or the plain layout (`_plain`):

    qas/{train,val,test}/{train,val,test}_qa.pkl    lists of {"image", "question", "answer"}
    images/{train,val,test}/IMAGE.jpg

The official splits are by picture; near duplicates are not looked for. A pickle can name code to run, so
only its lists, dictionaries, texts and numbers are read, and one that names anything else is refused.
"""

import pickle
from pathlib import Path
from typing import Any, NoReturn

from zoo.datasets import Contents, Dataset
from zoo.datasets._groups import SPLITS
from zoo.datasets._plain import is_plain, read_plain
from zoo.datasets._rows import Reading, first_of, pictures_in, value, yes_no_or_open
from zoo.errors import BadRecord

LAYOUT = "qas/{train,val,test}/{train,val,test}_qa.pkl and images/{train,val,test}/ (pvqa), or plain records"
_OFFICIAL = {"train": "train", "validation": "val", "test": "test"}


def read(folder: Path, split: str) -> Contents:
    """The questions of a split; see `load_questions` for what it raises."""
    if is_plain(folder):
        return read_plain(folder, split, name="path-vqa", source="path-vqa")
    name = _OFFICIAL[split]
    path = first_of(folder, [f"qas/{name}/{name}_qa.pkl"], layout=LAYOUT)
    reading = Reading(dataset="path-vqa", split=split)
    for number, row in enumerate(_rows(path)):
        key = f"path-vqa/{name}-{number}"
        answer = value(row, "answer", key)
        kind = yes_no_or_open(answer)
        reading.add(
            key,
            images=(f"images/{name}/{value(row, 'image', key)}.jpg",),
            prompt=value(row, "question", key),
            answer=answer,
            answer_type=kind,
            question_type="yes/no" if kind == "closed" else str(row["question"]).split(" ")[0].lower(),
        )
    notes = ("official splits, by picture; near duplicates not looked for", *reading.notes())
    return Contents(questions=tuple(reading.questions), open_image=pictures_in(folder), notes=notes)


class _DataOnly(pickle.Unpickler):
    """Reads plain data; any class or function that the file names stops it."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            rows = _DataOnly(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, AttributeError) as error:
        raise BadRecord(f"{path} is no pickle of plain data ({error})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadRecord(f"{path} is not a list of dictionaries")
    return rows


DATASET = Dataset(
    splits=SPLITS,
    license="unclear",
    publishable=False,
    about="PathVQA: 32799 questions on pathology pictures of textbooks. Local use only.",
    risks=(
        "Bias: pictures and captions of pathology textbooks and an online library: typical cases, "
        "chosen to be recognised.",
        "Bias: questions were made from captions by rules and only then looked over; some are "
        "ungrammatical or cannot be answered from the picture.",
        "Risk: with its thousands of test questions it dominates an average that pools data sets.",
        "Privacy: textbook pictures without names. The rights are those of the books: nothing made from"
        " them is passed on.",
    ),
    layout=LAYOUT,
    read=read,
)
