"""IU X-Ray (Open-i, Demner-Fushman et al. 2016, CC BY-NC-ND): for use where it lies, nothing of it published.

The two archives of Open-i unpacked into one folder, or the plain layout (`_plain`):

    ecgen-radiology/N.xml    (NLMCXR_reports.tgz) a report: AbstractText elements by Label, parentImage ids
    *.png                    (NLMCXR_png.tgz) CXRN_....png, here or in NLMCXR_png/ or images/

The question of a report shows the first picture that the report lists, which is mostly the frontal one: the
files do not say which view a picture is. Open-i gives no split; reports are split by their number. Pictures
of one report stay together; near duplicates of different reports are not looked for.
"""

from pathlib import Path
from xml.etree import ElementTree

from zoo.datasets import Contents, Dataset
from zoo.datasets._groups import SPLITS, split_of
from zoo.datasets._plain import is_plain, read_plain
from zoo.datasets._reports import MIN_WORDS, PROMPT, is_very_short
from zoo.datasets._rows import Reading, first_of, pictures_in
from zoo.errors import BadRecord

LAYOUT = (
    "ecgen-radiology/*.xml and the *.png of Open-i (NLMCXR_reports.tgz, NLMCXR_png.tgz), or plain records"
)
REPORTS = "ecgen-radiology"
FOLDERS = ("NLMCXR_png", "images")


def read(folder: Path, split: str) -> Contents:
    """A report question for every report with findings and a picture; see `load_questions` for errors."""
    if is_plain(folder):
        return read_plain(folder, split, name="iu-xray", source="iu-xray")
    reports = first_of(folder, (REPORTS,), layout=LAYOUT)
    prefix = next((f"{name}/" for name in FOLDERS if (folder / name).is_dir()), "")
    reading = Reading(dataset="iu-xray", split=split)
    for path in sorted(reports.glob("*.xml"), key=lambda p: (len(p.stem), p.stem)):
        if split_of(f"iu-xray/{path.stem}") != split:
            continue
        findings, pictures = _report(path)
        if not pictures:
            reading.left_out["no picture"] += 1
        elif is_very_short(findings):
            reading.left_out[f"findings of fewer than {MIN_WORDS} words"] += 1
        else:
            reading.add(
                f"iu-xray/{path.stem}",
                images=(f"{prefix}{pictures[0]}.png",),
                prompt=PROMPT,
                answer=findings,
                answer_type="report",
                question_type="report",
            )
    notes = ("split by report; near duplicates of different reports not looked for", *reading.notes())
    return Contents(questions=tuple(reading.questions), open_image=pictures_in(folder), notes=notes)


def _report(path: Path) -> tuple[str, list[str]]:
    """The findings of a report in one line, and the names of its pictures."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise BadRecord(f"{path} is no XML ({error})") from error
    texts = [t for t in root.iter("AbstractText") if str(t.get("Label")).upper() == "FINDINGS"]
    findings = " ".join(" ".join("".join(t.itertext()) for t in texts).split())
    return findings, [str(p.get("id")) for p in root.iter("parentImage") if p.get("id")]


DATASET = Dataset(
    splits=SPLITS,
    license="cc-by-nc-nd-4.0",
    publishable=False,
    about="IU X-Ray: 3955 reports with chest X-rays from Open-i. Local use only.",
    risks=(
        "Bias: chest X-rays from hospitals of one network in Indiana; sentences without a finding "
        "prevail, so a report that finds nothing scores well by word overlap.",
        "Risk: words that were taken out for privacy stand as XXXX in the reports; a model may learn to"
        " write them.",
        "Risk: reports speak of earlier studies that the model does not see, and teach it to invent them.",
        "Privacy: reports and pictures were made anonymous automatically and checked by people; "
        "residual identifiers cannot be ruled out. The licence forbids passing on what is changed.",
    ),
    layout=LAYOUT,
    read=read,
)
