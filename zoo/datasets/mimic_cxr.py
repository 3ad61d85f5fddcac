"""MIMIC-CXR(-JPG) 2.0.0 (Johnson et al. 2019, PhysioNet credentialed): your own copy, never passed on.

The folder of MIMIC-CXR-JPG with the reports of MIMIC-CXR beside the pictures, or the plain layout (`_plain`):

    mimic-cxr-2.0.0-split.csv.gz      dicom_id, study_id, subject_id, split (or unpacked, .csv)
    mimic-cxr-2.0.0-metadata.csv.gz   dicom_id, subject_id, study_id, ViewPosition and more
    files/pNN/pSUBJECT/sSTUDY.txt     the report
    files/pNN/pSUBJECT/sSTUDY/DICOM.jpg

Prepared as Kim et al. 2026 do: studies with a single frontal picture (PA or AP), the findings section only,
very short ones out. They have a language model remove what needs an earlier picture; here a rule drops every
sentence with a word of comparison, and the notes say so. The official split is by patient.
"""

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from zoo.datasets import Contents, Dataset
from zoo.datasets._groups import SPLITS
from zoo.datasets._plain import is_plain, read_plain
from zoo.datasets._reports import MIN_WORDS, PROMPT, findings_section, is_very_short, without_comparisons
from zoo.datasets._rows import Reading, first_of, pictures_in
from zoo.errors import BadRecord

LAYOUT = (
    "mimic-cxr-2.0.0-split.csv.gz, mimic-cxr-2.0.0-metadata.csv.gz and files/pNN/pSUBJECT/ with sSTUDY.txt "
    "and sSTUDY/DICOM.jpg (MIMIC-CXR-JPG and the reports of MIMIC-CXR), or plain records"
)
FRONTAL = ("PA", "AP")
_OFFICIAL = {"train": "train", "validation": "validate", "test": "test"}


def read(folder: Path, split: str) -> Contents:
    """A report question for every study that is kept; see `load_questions` for what it raises."""
    if is_plain(folder):
        return read_plain(folder, split, name="mimic-cxr", source="mimic-cxr")
    views = {row["dicom_id"]: row["ViewPosition"] for row in _table(folder, "metadata", "ViewPosition")}
    frontal: dict[tuple[str, str], list[str]] = {}
    for row in _table(folder, "split", "split"):
        if row["split"] == _OFFICIAL[split]:
            found = frontal.setdefault((row["subject_id"], row["study_id"]), [])
            if views.get(row["dicom_id"]) in FRONTAL:
                found.append(row["dicom_id"])
    reading = Reading(dataset="mimic-cxr", split=split)
    counts: Counter[str] = Counter()
    for (subject, study), pictures in sorted(frontal.items()):
        if len(pictures) != 1:
            reading.left_out["no single frontal picture"] += 1
            continue
        stem = f"files/p{subject[:2]}/p{subject}/s{study}"
        text = first_of(folder, [f"{stem}.txt"], layout=LAYOUT).read_text(encoding="utf-8", errors="replace")
        findings, dropped = without_comparisons(findings_section(text))
        counts["sentences"] += dropped
        if is_very_short(findings):
            reading.left_out[f"findings of fewer than {MIN_WORDS} words"] += 1
            continue
        reading.add(
            f"mimic-cxr/s{study}",
            images=(f"{stem}/{pictures[0]}.jpg",),
            prompt=PROMPT,
            answer=findings,
            answer_type="report",
            question_type="report",
        )
    rule = (
        f"departure: {counts['sentences']} sentences with a word of comparison dropped by a rule, "
        "where Kim et al. 2026 have a language model rewrite the report"
    )
    return Contents(
        questions=tuple(reading.questions),
        open_image=pictures_in(folder),
        group_of=lambda name: name.split("/")[2],  # the subject
        notes=(rule, *reading.notes()),
    )


def _table(folder: Path, name: str, column: str) -> Iterator[dict[str, str]]:
    stem = f"mimic-cxr-2.0.0-{name}.csv"
    path = first_of(folder, (f"{stem}.gz", stem), layout=LAYOUT)
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as text:
        rows = csv.DictReader(text)
        missing = {"dicom_id", "study_id", "subject_id", column} - set(rows.fieldnames or ())
        if missing:
            raise BadRecord(f"{path} has no column {sorted(missing)[0]!r}")
        yield from rows


DATASET = Dataset(
    splits=SPLITS,
    license="physionet-credentialed",
    publishable=False,
    restricted=True,
    about="MIMIC-CXR: chest X-rays and the findings of their reports. Your own copy only.",
    risks=(
        "Bias: one hospital in Boston, emergency patients; views, devices and phrases of its "
        "radiologists are learned with the findings.",
        "Bias: age, sex and origin are known elsewhere in MIMIC but not used here; published "
        "work finds that chest X-ray models trained on it miss more in some groups.",
        "Risk: findings written from earlier studies and from what the doctor was told teach a model to"
        " claim what the picture does not show.",
        "Privacy: real patients. Only those who signed the data use agreement may read it; texts never "
        "leave this machine, only aggregates are published, and an adapter trained on it may repeat "
        "phrases of its reports.",
    ),
    layout=LAYOUT,
    read=read,
)
