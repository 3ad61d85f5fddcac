"""The preference pairs that MMedPO released (Zhu et al. 2025): a truth, a rejected response and its weight.

The released files (in the folder or its `mmedpo/`) beside the pictures of their data sets, or the plain
layout's pairs.jsonl (`_plain`):

    slake_dpo_weighted.json    slake/imgs/xmlabN/source.jpg            Apache-2.0 over CC BY
    vqa_rad_dpo_weighted.json  vqa-rad/images/synpicN.jpg (or 'vqa-rad/VQA_RAD Image Folder/')    over CC0
    mimic_dpo_weighted.json    mimic-cxr/...      your own copy: never sent or published
    iuxray_dpo_weighted.json   iu-xray/...        your own copy: never published

A file is a list of {id, image, conversations, rejected_conversations, weighted_score}. The pairs of the first
two are split by picture and near duplicate into `train`, `validation` and `test`; `official-train` has all
of them; `mimic-cxr` and `iu-xray` have those of the others. A row whose rejected response is the truth, and
one of weight 0.0, stay in and are counted: who builds pairs drops the former.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.datasets import Contents, Dataset, Given, Region
from zoo.datasets._groups import SPLITS, folder_groups, grouped_notes, split_of
from zoo.datasets._plain import PAIRS_NAME, check_split, picture_groups, plain_regions
from zoo.datasets._rows import Reading, pictures_in, read_lines, read_list, safe_name, value, yes_no_or_open
from zoo.datasets.slake import PICTURES as SLAKE_PICTURES
from zoo.datasets.slake import slake_regions
from zoo.datasets.vqa_rad import PICTURES as VQA_RAD_PICTURES
from zoo.errors import BadInput, BadRecord

LAYOUT = (
    "slake_dpo_weighted.json and vqa_rad_dpo_weighted.json with slake/imgs/ and vqa-rad/images/ beside them, "
    "or plain records with pairs.jsonl"
)
SOURCES = {"slake": "slake", "vqa": "vqa-rad", "rad": "vqa-rad", "mimic": "mimic-cxr", "iu": "iu-xray"}
"""What the name of a released file begins with -> its data set."""
OPEN, CLOSED = ("slake", "vqa-rad"), ("mimic-cxr", "iu-xray")
FOLDERS = {
    "slake": ("slake/imgs",),
    "vqa-rad": ("vqa-rad/images", "vqa-rad/VQA_RAD Image Folder"),
    "mimic-cxr": ("mimic-cxr",),
    "iu-xray": ("iu-xray",),
}
_ENDING = "_dpo_weighted.json"


def read(folder: Path, split: str) -> Contents:
    """The pairs of a split as questions with what was rejected; see `load_questions` for what it raises."""
    if (folder / PAIRS_NAME).is_file():
        check_split(folder, split)
        rows, root, keys = list(_plain_rows(folder)), folder, picture_groups(folder)
        regions = plain_regions(folder)
    else:
        files = _files(folder)
        root = next(iter(files.values())).parent
        root = root.parent if root.name == "mmedpo" else root
        wanted = (split,) if split in CLOSED else OPEN
        rows = [row for name in wanted if name in files for row in _released_rows(files[name], root, name)]
        keys, regions = _groups(root, rows), _slake_only(root)
    # by their own name, so that answers to them come under the terms of their own data set
    reading = Reading(dataset=split if split in CLOSED else "mmedpo", split=split)
    given: dict[str, Given] = {}
    for row in rows:
        if split in SPLITS and split_of(keys[root / row["image"]]) != split:
            continue
        taken = reading.add(
            row["id"],
            images=(row["image"],),
            prompt=row["prompt"],
            answer=row["chosen"],
            answer_type="report" if row["source"] in CLOSED else yes_no_or_open(row["chosen"]),
            question_type=row["source"],
        )
        if taken:
            given[row["id"]] = Given(rejected=row["rejected"].strip(), weight=row["weight"])
    grouped = grouped_notes({root / row["image"] for row in rows}, keys) if split in SPLITS else ()
    return Contents(
        questions=tuple(reading.questions),
        open_image=pictures_in(root),
        regions=regions,
        group_of=(lambda name: keys[root / name]) if split in SPLITS else None,
        given=given,
        notes=(*grouped, *reading.notes(), *_notes(reading, given)),
        license={"mimic-cxr": "physionet-credentialed", "iu-xray": "cc-by-nc-nd-4.0"}.get(split, ""),
        publishable=split not in CLOSED,
        restricted=split == "mimic-cxr",
    )


def _files(folder: Path) -> dict[str, Path]:
    """The released files by data set."""
    paths = sorted([*folder.glob(f"*{_ENDING}"), *(folder / "mmedpo").glob(f"*{_ENDING}")])
    found = {name: path for path in paths for start, name in SOURCES.items() if path.name.startswith(start)}
    if not found:
        raise BadInput(f"{folder} has no *{_ENDING}", hint=f"it is to hold {LAYOUT}")
    return found


def _groups(root: Path, rows: list[dict[str, Any]]) -> dict[Path, str]:
    """The groups that SLAKE and VQA-RAD have themselves, so that their splits and these agree."""
    named = {name: {root / row["image"] for row in rows if row["source"] == name} for name in OPEN}
    keys = folder_groups(root / "slake", SLAKE_PICTURES, named["slake"])
    return {**keys, **folder_groups(_pictures(root, "vqa-rad"), VQA_RAD_PICTURES, named["vqa-rad"])}


def _pictures(root: Path, source: str) -> Path:
    return next((root / f for f in FOLDERS[source] if (root / f).is_dir()), root / FOLDERS[source][0])


def _released_rows(path: Path, root: Path, source: str) -> Iterator[dict[str, Any]]:
    pictures = _pictures(root, source).relative_to(root).as_posix()
    for row in read_list(path):
        key = f"mmedpo-{source}/{value(row, 'id', path.name)}"
        asked, chosen = _turns(row, "conversations", key)
        yield {
            "id": key,
            "source": source,
            "image": f"{pictures}/{safe_name(value(row, 'image', key), key)}",
            "prompt": asked.replace("<image>", ""),
            "chosen": chosen,
            "rejected": _turns(row, "rejected_conversations", key)[1],
            "weight": _weight(row.get("weighted_score"), key),
        }


def _plain_rows(folder: Path) -> Iterator[dict[str, Any]]:
    for row in read_lines(folder / PAIRS_NAME):
        key = str(value(row, "id", PAIRS_NAME))
        yield {
            "id": key,
            "source": key.partition("/")[0].removeprefix("mmedpo-"),
            "image": safe_name(value(row, "image", key), key),
            **{name: str(value(row, name, key)) for name in ("prompt", "chosen", "rejected")},
            "weight": _weight(row.get("weight"), key),
        }


def _turns(row: dict[str, Any], name: str, key: str) -> tuple[str, str]:
    """What was asked and what was answered, of a conversation of two turns."""
    turns = value(row, name, key)
    try:
        said = {turn["from"]: turn["value"] for turn in turns}
        return str(said["human"]), str(said["gpt"])
    except (TypeError, KeyError) as error:
        raise BadRecord(f"{key}: its {name} is not a turn from human and one from gpt") from error


def _weight(raw: Any, key: str) -> float | None:
    """A weight as it was released, 0 to 1; None where there is none."""
    if raw is None:
        return None
    if (
        isinstance(raw, bool)
        or not isinstance(raw, (int, float))
        or not math.isfinite(raw)
        or not 0 <= raw <= 1
    ):
        raise BadRecord(f"{key}: its weight is {raw!r}, not a number from 0 to 1")
    return float(raw)


def _slake_only(root: Path) -> Any:
    """Finds the regions of SLAKE's pictures; the released files mark none of the others."""
    marked = slake_regions(root / "slake") if (root / "slake").is_dir() else None

    def regions(name: str) -> tuple[Region, ...]:
        return marked(name.removeprefix("slake/")) if marked and name.startswith("slake/") else ()

    return regions


def _notes(reading: Reading, given: dict[str, Given]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for question in reading.questions:
        one = given[question.id]
        counts["rejected equals chosen"] += one.rejected.lower() == question.answer.lower()
        counts["weight 0.0"] += one.weight == 0
        counts["no weight"] += one.weight is None
    for reason, count in counts.items():
        if count:
            yield f"{count} of {len(reading.questions)} pairs kept as they are: {reason}"


DATASET = Dataset(
    splits=(*SPLITS, "official-train", *CLOSED),
    license="apache-2.0",
    about="MMedPO's released preference pairs with weights, on SLAKE and VQA-RAD.",
    risks=(
        "Bias: that of SLAKE and VQA-RAD, whose questions these are.",
        "Risk: most chosen answers are a few words and the rejected ones are sentences, so length alone"
        " tells them apart: a preference for short answers may be all that is learned.",
        "Risk: rejected answers and weights come from language models; no clinician has checked them, "
        "and a rejected answer may be right.",
        "Privacy: that of SLAKE and VQA-RAD. The MIMIC-CXR and IU X-Ray files are your own copy's and "
        "are never passed on.",
    ),
    layout=LAYOUT,
    read=read,
)
