"""A folder of plain records, yours or anyone's: all rows of its qa.jsonl. See `_plain` for the layout.

It is taken as not to be published and not to be sent to a third party, unless the zoo knows the data sets
that all rows name: then the strictest of their terms hold.
"""

from dataclasses import replace
from pathlib import Path

from zoo.datasets import Contents, Dataset, datasets
from zoo.datasets._groups import SPLITS
from zoo.datasets._plain import LAYOUT, QUESTIONS_NAME, read_plain
from zoo.datasets._rows import read_lines


def read(folder: Path, split: str) -> Contents:
    """All rows of the folder; see `read_plain`."""
    found = read_plain(folder, split, name="records")
    sources = {str(row.get("dataset")) for row in read_lines(folder / QUESTIONS_NAME)}
    known = [dataset for name, dataset in datasets().items() if name in sources - {"records"}]
    unknown = sorted(sources - {dataset.name for dataset in known})
    if unknown:
        note = f"restricted and not publishable: the terms of {', '.join(unknown)} are not known"
        return replace(found, notes=(*found.notes, note))
    return replace(
        found,
        license=" and ".join(sorted({dataset.license for dataset in known})),
        publishable=all(dataset.publishable for dataset in known),
        restricted=any(dataset.restricted for dataset in known),
    )


DATASET = Dataset(
    splits=SPLITS,
    license="unknown",
    publishable=False,
    restricted=True,
    about="Your own data, or any folder of plain records.",
    risks=(
        "Nothing is known of these data: who the patients are, how they were chosen, whether names "
        "remain. Say so yourself where you pass anything on.",
    ),
    layout=LAYOUT,
    read=read,
)
