"""The plain layout, in which any data set may come. A folder with

    qa.jsonl      one question a line: id, dataset, image, question, answer, answer_type (closed, open or
                  report, in any case), and if known split and question_type; other keys are not read
    images/       the pictures, at the paths that `image` gives
    boxes.json    if any: {image: [{"label": ..., "xywh": [left, top, width, height]}]}, in pixels
    masks/        if any: label maps, images/A/B.jpg has masks/A/B.png; see `_regions` for their labels
    pairs.jsonl   if any: one released preference pair a line: id, image, prompt, chosen, rejected, weight

If every row says train, validation or test, these are the splits; else the pictures are split by near
duplicate. Rows may also say official-train and the like; these splits can then be had as well.
It knows nothing of any one data set.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.datasets import Contents, FindRegions, Region
from zoo.datasets._groups import SPLITS, group_keys, grouped_notes, leak_notes, split_of
from zoo.datasets._regions import box_region, labels_of, mask_regions, merged
from zoo.datasets._rows import Reading, pictures_in, read_lines, safe_name, value
from zoo.errors import BadInput, BadRecord
from zoo.images import open_image

QUESTIONS_NAME = "qa.jsonl"
PAIRS_NAME = "pairs.jsonl"
OFFICIAL = "official-"
LAYOUT = "qa.jsonl, images/ and if any boxes.json and masks/ (plain records, see zoo/datasets/_plain.py)"


def is_plain(folder: Path) -> bool:
    """Whether the folder is in the plain layout."""
    return (folder / QUESTIONS_NAME).is_file()


def read_plain(folder: Path, split: str, *, name: str, source: str | None = None) -> Contents:
    """The questions of data set `name` in the folder: the rows of data set `source`, or all rows.

    Raises:
        BadInput: no qa.jsonl, no such rows, or an official split was asked for.
        BadRecord: a row lacks a key or has a value that cannot be; the message names it.
    """
    if not is_plain(folder):
        raise BadInput(f"{folder} has no {QUESTIONS_NAME}", hint=f"it is to hold {LAYOUT}")
    rows = _rows(folder / QUESTIONS_NAME)
    official = sorted({str(row.get("split")) for row in rows if str(row.get("split")).startswith(OFFICIAL)})
    check_split(folder, split, official)
    ours = [row for row in rows if source in (None, row.get("dataset"))]
    if not ours:
        there = sorted({str(row.get("dataset")) for row in rows})
        raise BadInput(
            f"{folder / QUESTIONS_NAME} has no rows of {source}", hint=f"it has {', '.join(there)}"
        )
    reading = Reading(dataset=name, split=split)
    stated = all(row.get("split") in SPLITS for row in rows)
    keys = picture_groups(folder)
    if stated or split in official:
        how: tuple[str, ...] = ("split as the rows say",)
    else:
        how = grouped_notes({folder / safe_name(value(r, "image", str(r.get("id"))), "") for r in ours}, keys)
    notes = (*how, *_leaks(folder, ours, keys, SPLITS if stated else official))
    for row in ours:
        key = str(value(row, "id", str(folder / QUESTIONS_NAME)))
        image = safe_name(value(row, "image", key), key)
        if split != (row["split"] if stated or split in official else split_of(keys[folder / image])):
            continue
        reading.add(
            key,
            images=(image,),
            prompt=value(row, "question", key),
            answer=value(row, "answer", key),
            answer_type=value(row, "answer_type", key),
            question_type=row.get("question_type"),
        )
    return Contents(
        questions=tuple(reading.questions),
        open_image=pictures_in(folder),
        regions=plain_regions(folder),
        group_of=lambda name: keys[folder / name],
        notes=(*notes, *reading.notes()),
    )


def check_split(folder: Path, split: str, official: Sequence[str] = ()) -> None:
    """Refuse a split that a folder in the plain layout does not have.

    Raises:
        BadInput: it is not train, validation, test or one of the official ones that its rows name.
    """
    if split not in (*SPLITS, *official):
        raise BadInput(
            f"{folder} holds plain records, which have no split {split!r}",
            hint=f"take one of {', '.join((*SPLITS, *official))}, or the folder of the official release",
        )


def picture_groups(folder: Path) -> Mapping[Path, str]:
    """The group of every picture that a row of the folder names, whatever data set the row is of."""
    names = set()
    for file in (QUESTIONS_NAME, PAIRS_NAME):
        for row in _rows(folder / file) if (folder / file).is_file() else []:
            key = str(row.get("id"))
            names.add(safe_name(value(row, "image", key), key))
    return group_keys(tuple(folder / name for name in sorted(names)))


def plain_regions(folder: Path) -> FindRegions:
    """Finds the regions of a picture by the folder's boxes.json and masks."""
    labels, boxes = labels_of(folder), _boxes(folder / "boxes.json")

    def regions(name: str) -> tuple[Region, ...]:
        mask = folder / "masks" / Path(safe_name(name, name).removeprefix("images/")).with_suffix(".png")
        if name not in boxes and not mask.is_file():
            return ()
        size = open_image(folder / name).size
        return merged(
            mask_regions(mask, labels, size) if mask.is_file() else (),
            [box_region(str(box["label"]), box["xywh"], size, where=name) for box in boxes.get(name, [])],
        )

    return regions


def _boxes(path: Path) -> Mapping[str, list[dict[str, Any]]]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadRecord(f"{path}: not JSON in UTF-8 ({error})") from error
    good = isinstance(found, dict) and all(
        isinstance(boxes, list) and all(isinstance(b, dict) and {"label", "xywh"} <= set(b) for b in boxes)
        for boxes in found.values()
    )
    if not good:
        raise BadRecord(f'{path} is not {{image: [{{"label": ..., "xywh": [...]}}]}}')
    return dict(found)


def _rows(path: Path) -> list[dict[str, Any]]:
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int) -> list[dict[str, Any]]:
    return read_lines(path)


def _leaks(
    folder: Path, rows: list[dict[str, Any]], keys: Mapping[Path, str], splits: Sequence[str]
) -> tuple[str, ...]:
    """What the splits share, the training split being the one that others are compared with."""
    pictures = {
        split: {folder / str(r["image"]) for r in rows if r.get("split") == split} for split in splits
    }
    in_order = sorted(pictures, key=lambda split: not split.endswith("train"))
    return leak_notes({split: pictures[split] for split in in_order}, keys)
