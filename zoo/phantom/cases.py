"""A ZIP of drawn scans and questions, as a work list is uploaded: to try rating with, and to see what such a
file holds. It shows no one."""

import csv
import io
import zipfile

from PIL import Image

from zoo.phantom.questions import ask
from zoo.phantom.scans import make_scan

FIRST_SEED = 3_000_201
"""Where its scans begin: among the test scans of the phantom data set, after those of the examples."""
COLUMNS = ("id", "images", "question", "reference", "modality")


def example_cases(*, count: int) -> bytes:
    """The ZIP: `count` scans with a finding, a question each, and `cases.csv`."""
    scans = (make_scan(seed) for seed in range(FIRST_SEED, FIRST_SEED + 100 * count))
    found = (scan for scan in scans if scan.finding is not None)
    out, table = io.BytesIO(), io.StringIO()
    rows = csv.writer(table)
    rows.writerow(COLUMNS)
    with zipfile.ZipFile(out, "w") as archive:
        for number, scan in zip(range(1, count + 1), found, strict=False):
            picture = io.BytesIO()
            Image.fromarray(scan.pixels).save(picture, "PNG")
            archive.writestr(zipfile.ZipInfo(f"scan-{number}.png"), picture.getvalue())
            asked = ask(scan)
            wanted = "open" if number % 3 == 0 else "report"  # long answers differ more, and are told apart
            fitting = [item for item in asked if item.answer_type == wanted]
            item = fitting[number % len(fitting)]
            rows.writerow((number, f"scan-{number}.png", item.prompt, item.answer, scan.modality))
        archive.writestr(zipfile.ZipInfo("cases.csv"), table.getvalue())
    return out.getvalue()
