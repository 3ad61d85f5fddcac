"""SLAKE 1.0 (Liu et al. 2021, CC BY 4.0): radiology questions with organ masks and boxes of findings.

The official folder, or the plain layout (`_plain`):

    train.json  validation.json (or validate.json)  test.json    lists of questions, English and Chinese
    mask.txt                                                     grey value -> label
    imgs/xmlabN/source.jpg  detection.json  mask.png (or mask_l.png)

detection.json is a list of {label: [left, top, width, height]}; mask.png is a label map for CT and MR only,
and what is no label map marks nothing. Only the English questions are read. The official splits share
near-duplicate slices, so `train`, `validation` and `test` are split anew by picture and near duplicate.
"""

import json
from pathlib import Path
from typing import Any

from zoo.datasets import Contents, Dataset, FindRegions, HubSource, Region
from zoo.datasets._groups import SPLITS, folder_groups, grouped_notes, leak_notes, split_of
from zoo.datasets._plain import is_plain, read_plain
from zoo.datasets._regions import box_region, labels_of, mask_regions, merged
from zoo.datasets._rows import Reading, first_of, pictures_in, read_list, safe_name, value
from zoo.errors import BadInput, BadRecord
from zoo.images import open_image

LAYOUT = "train.json, validation.json, test.json, mask.txt and imgs/xmlabN/ (SLAKE 1.0), or plain records"
FILES = {
    "official-train": ("train.json",),
    "official-validation": ("validation.json", "validate.json"),
    "official-test": ("test.json",),
}
PICTURES = "imgs/*/source.jpg"
MASKS = ("mask_l.png", "mask.png")


def read(folder: Path, split: str) -> Contents:
    """The English questions of a split; see `load_questions` for what it raises."""
    if is_plain(folder):
        return read_plain(folder, split, name="slake", source="slake")
    files = {name: [f for f in names if (folder / f).is_file()] for name, names in FILES.items()}
    if not any(files.values()):
        first_of(folder, FILES["official-train"], layout=LAYOUT)
    if split in FILES and not files[split]:
        raise BadInput(f"{folder} has no {' or '.join(FILES[split])}", hint=f"it is to hold {LAYOUT}")
    absent = [FILES[name][0] for name, there in files.items() if not there]
    rows = {name: read_list(folder / there[0]) for name, there in files.items() if there}
    pictures = {name: {folder / _image(row) for row in found} for name, found in rows.items()}
    keys = folder_groups(folder, PICTURES, set().union(*pictures.values()))
    reading = Reading(dataset="slake", split=split)
    for official, found in rows.items():
        for row in found:
            key, image = f"slake/{value(row, 'qid', 'slake')}", _image(row)
            if split not in (official, split_of(keys[folder / image])):
                continue
            if value(row, "q_lang", key) != "en":
                reading.left_out["not in English"] += 1
                continue
            reading.add(
                key,
                images=(image,),
                prompt=value(row, "question", key),
                answer=value(row, "answer", key),
                answer_type=value(row, "answer_type", key),
                question_type=row.get("content_type"),
            )
    notes = [] if split in FILES else [*grouped_notes(set().union(*pictures.values()), keys)]
    if absent:
        notes.append(f"{folder} has no {', '.join(absent)}: no question of it is here, no leak to it counted")
    notes += leak_notes(pictures, keys)
    return Contents(
        questions=tuple(reading.questions),
        open_image=pictures_in(folder),
        regions=slake_regions(folder),
        group_of=lambda name: keys[folder / name],
        notes=(*notes, *reading.notes()),
    )


def slake_regions(folder: Path) -> FindRegions:
    """Finds the regions of `.../xmlabN/source.jpg`, relative to `folder`, by the files beside it."""
    labels = labels_of(folder)

    def regions(name: str) -> tuple[Region, ...]:
        beside = (folder / safe_name(name, name)).parent
        boxes = _boxes(beside / "detection.json")
        mask = next((beside / m for m in MASKS if (beside / m).is_file()), None)
        if not boxes and mask is None:
            return ()
        size = open_image(folder / name).size
        return merged(
            mask_regions(mask, labels, size) if mask else (),
            [box_region(label, box, size, where=name) for label, box in boxes],
        )

    return regions


def _image(row: dict[str, Any]) -> str:
    key = f"slake/{row.get('qid')}"
    return f"imgs/{safe_name(value(row, 'img_name', key), key)}"


def _boxes(path: Path) -> list[tuple[str, list[Any]]]:
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return [(str(label), list(box)) for entry in found for label, box in entry.items()]
    except (ValueError, TypeError, AttributeError) as error:
        raise BadRecord(f"{path} is not a list of {{label: [left, top, width, height]}}") from error


DATASET = Dataset(
    splits=(*SPLITS, *FILES),
    license="cc-by-4.0",
    about="SLAKE: 642 CT, MR and X-ray pictures, 7033 English questions, masks and boxes.",
    risks=(
        "Bias: pictures from three public collections made for other tasks; many questions follow templates, "
        "so their wording is narrow.",
        "Bias: age, sex and origin of the patients are not stated, so no score by group can be given.",
        "Risk: slices of one volume stand in several of the official splits; a model may know the "
        "patient already.",
        "Risk: many answers follow from the organ alone, and some questions ask for knowledge that needs no "
        "picture; look at the image ablation.",
        "Privacy: pictures from public collections that were made anonymous by their makers; the zoo "
        "cannot check how well.",
    ),
    layout=LAYOUT,
    source=HubSource("BoKelvin/SLAKE", "a9083ce6c34ac3ffb17671a605962924d8a8f9e9"),
    read=read,
)
