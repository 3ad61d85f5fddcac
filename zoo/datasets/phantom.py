"""Drawn scans with known findings as a data set: drawn when opened, nothing on disk.

An image is named `phantom/SPLIT/INDEX.png`; the index decides the scan's seed, and no two splits share one.
"""

import re
from functools import lru_cache
from pathlib import Path

import PIL.Image

from zoo.datasets import Contents, Dataset, Given, Region
from zoo.errors import BadInput
from zoo.phantom.questions import questions_about
from zoo.phantom.scans import Scan, make_scan
from zoo.records import Question

SCANS = {"pretrain": 20_000, "train": 2_000, "validation": 300, "test": 500}
"""Scans in each split. The base of this package learned from `pretrain` alone."""
SPLIT_SEEDS = {split: number * 1_000_000 for number, split in enumerate(SCANS)}
"""Seed of each split's first scan."""

_NAME = re.compile(r"phantom/([a-z]+)/(\d{6})\.png")


def scan_of(split: str, index: int) -> Scan:
    """The scan of that index in a split."""
    return make_scan(SPLIT_SEEDS[split] + index)


@lru_cache(maxsize=8)
def questions(split: str) -> tuple[Question, ...]:
    """All questions about all scans of a split."""
    found: list[Question] = []
    for index in range(SCANS[split]):
        stem = f"phantom/{split}/{index:06d}"
        scan = scan_of(split, index)
        found += questions_about(scan, dataset="phantom", split=split, image=f"{stem}.png")
    return tuple(found)


@lru_cache(maxsize=8)
def given(split: str) -> dict[str, Given]:
    """A rejected response to every question: the other option of a closed one, else what is true of the next
    scan of which something else is. So they read as well as the truth, and only the image tells."""
    asked = questions(split)
    found: dict[str, Given] = {}
    later: dict[tuple[str, str], str] = {}  # the nearest later answers by question type, one and another
    other: dict[tuple[str, str], str] = {}
    for question in reversed((*asked, *asked)):  # twice, so that the last ones find the first
        kind = (question.question_type, question.answer_type)
        options = [o for o in question.options if o != question.answer]
        rejected = options[0] if options else later.get(kind)
        if rejected == question.answer:
            rejected = other.get(kind)
        if rejected is not None:
            found[question.id] = Given(rejected=rejected)
        if not options and later.get(kind) != question.answer:
            other[kind] = later.get(kind, question.answer)
            later[kind] = question.answer
    return {q.id: found[q.id] for q in asked if q.id in found and found[q.id].rejected != q.answer}


def open_image(name: str) -> PIL.Image.Image:
    """The scan of that name, mode L.

    Raises:
        BadInput: no scan is named so.
    """
    return PIL.Image.fromarray(_named(name).pixels)


def regions(name: str) -> tuple[Region, ...]:
    """The finding of the scan of that name, if it has one."""
    scan = _named(name)
    if scan.finding is None:
        return ()
    mask = PIL.Image.fromarray(scan.mask).convert("L")
    return (Region(label=scan.finding.kind, is_finding=True, source="mask", mask=mask),)


def _named(name: str) -> Scan:
    found = _NAME.fullmatch(name)
    if not found or found[1] not in SCANS or int(found[2]) >= SCANS[found[1]]:
        raise BadInput(
            f"no image of the phantom data set is named {name!r}",
            hint=f"such as phantom/test/000123.png; splits: {', '.join(SCANS)}",
        )
    return scan_of(found[1], int(found[2]))


def read(_folder: Path, split: str) -> Contents:
    """The scans of a split; no folder is needed."""
    return Contents(
        questions=questions(split), open_image=open_image, regions=regions, given=given(split), group_of=str
    )


DATASET = Dataset(
    splits=tuple(SCANS),
    license="apache-2.0",
    about="Scans drawn from a seed, with known findings, exact masks and questions of every type.",
    risks=(
        "The scans are drawn: no patient, no hospital, no privacy at stake, and no medicine either.",
        "Findings are simple shapes, balanced by design; a model that is right here may know nothing of"
        " real pictures.",
    ),
    sample=500,
    read=read,
)
