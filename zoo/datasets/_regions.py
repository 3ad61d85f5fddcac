"""Boxes and label maps -> Regions. It knows no data set's layout, only what their marks look like.

A label map is a grey picture in which a value stands for a label. SLAKE's values and labels are here
(Liu et al. 2021, CC BY 4.0); a folder's `mask.txt`, lines of `value:label`, goes before them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw

from zoo.datasets import Region
from zoo.errors import BadImage, BadRecord

_FINDING = re.compile(
    r"tumou?r|cancer|carcinoma|metasta|o?edema|pneumo|effusion|nodule|\bmass|atelectasis|infiltra"
    r"|cardiomegaly|consolidation|fracture|lesion|hernia|fibrosis|emphysema|thickening|cyst|ha?emorrhage"
    r"|abscess|calcifi|infarct|opacity|stone|marked region",
    re.IGNORECASE,
)
_STRAY = 0.01
"""A picture of which more than this share has values that stand for nothing is no label map."""

SLAKE_LABELS: Mapping[int, str] = {
    30: "Left Humerus Head", 35: "Right Humerus Head", 40: "Larynx", 45: "Right Femoral Head",
    50: "Left Femoral Head", 55: "Brain Stem", 60: "Duodenum", 65: "Tooth", 70: "Liver", 75: "Trachea",
    80: "Left Eye", 90: "Right Eye", 95: "Brain Edema", 105: "Rectum", 110: "Esophagus", 120: "Left Ear",
    125: "Bladder", 130: "Right Ear", 135: "Left Kidney", 140: "Brain Non-enhancing Tumor",
    145: "Spinal Cord", 150: "Kidney Cancer", 155: "Right Kidney", 160: "Left Temporal Lobe",
    165: "Stomach", 170: "Right Temporal Lobe", 175: "Liver Cancer", 180: "Heart",
    185: "Brain Enhancing Tumor", 200: "Left Mandible", 205: "Small Bowel", 210: "Right Mandible",
    215: "Left Lung", 225: "Right Lung", 230: "Spleen", 235: "Colon", 240: "Left Parotid",
    245: "Lung Cancer", 250: "Right Parotid",
}  # fmt: skip


def is_finding(label: str) -> bool:
    """True for a label that names something wrong, False for an organ."""
    return _FINDING.search(label) is not None


def box_region(label: str, box: Sequence[Any], size: tuple[int, int], *, where: str) -> Region:
    """The region of a box [left, top, width, height] in pixels, cut at the edges of a picture of `size`.

    Raises:
        BadRecord: no four finite numbers, or nothing of it lies within the picture.
    """
    if len(box) != 4 or not all(isinstance(v, (int, float)) and np.isfinite(v) for v in box):
        raise BadRecord(f"{where}: the box {list(box)!r} of {label!r} is not four numbers")
    left, top = max(round(box[0]), 0), max(round(box[1]), 0)
    right, bottom = min(round(box[0] + box[2]), size[0]), min(round(box[1] + box[3]), size[1])
    if right <= left or bottom <= top:
        raise BadRecord(f"{where}: the box {list(box)!r} of {label!r} lies outside its {size} picture")
    mask = PIL.Image.new("L", size, 0)
    PIL.ImageDraw.Draw(mask).rectangle((left, top, right - 1, bottom - 1), fill=255)
    return Region(label=label, is_finding=is_finding(label), source="box", mask=mask)


def labels_of(folder: Path) -> Mapping[int, str]:
    """The folder's `mask.txt`, or SLAKE's labels where it has none.

    Raises:
        BadRecord: a line of it is not `value:label`.
    """
    path = folder / "mask.txt"
    if not path.is_file():
        return SLAKE_LABELS
    labels = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        key, colon, label = line.partition(":")
        if not line.strip():
            continue
        if not colon or not key.strip().isdigit() or not label.strip():
            raise BadRecord(f"{path}:{number}: {line!r} is not value:label")
        labels[int(key)] = label.strip()
    return labels


def mask_regions(path: Path, labels: Mapping[int, str], size: tuple[int, int]) -> tuple[Region, ...]:
    """The regions of a label map, for a picture of `size`, by value; empty for a picture that is none.

    Raises:
        BadImage: it cannot be read, or has another size than its picture.
    """
    try:
        with PIL.Image.open(path) as image:
            grey = image if image.mode in ("L", "I", "I;16") else image.convert("RGB").getchannel(0)
            values = np.asarray(grey)
    except OSError as error:
        raise BadImage(f"the mask {path} cannot be read") from error
    if (values.shape[1], values.shape[0]) != size:
        raise BadImage(
            f"the mask {path} has {values.shape[1]} x {values.shape[0]} pixels, "
            f"its picture {size[0]} x {size[1]}",
            hint="a mask must have its picture's size",
        )
    stray = ~np.isin(values, [0, *labels])
    if stray.mean() > _STRAY:
        return ()
    found = []
    for key in sorted(set(np.unique(values).tolist()) & set(labels)):
        mask = PIL.Image.fromarray(np.where(values == key, 255, 0).astype(np.uint8))
        label = labels[key]
        found.append(Region(label=label, is_finding=is_finding(label), source="mask", mask=mask))
    return tuple(found)


def merged(masks: Sequence[Region], boxes: Sequence[Region]) -> tuple[Region, ...]:
    """All regions; a box goes where a mask of the same label says more exactly where it is."""
    outlined = {region.label for region in masks}
    return (*masks, *(box for box in boxes if box.label not in outlined))
