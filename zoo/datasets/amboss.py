"""AMBOSS pictures with experts' captions (proprietary): your own licensed copy, never sent or published.

There is no public layout, so yours is brought into the plain one (`_plain`): rows of data set `amboss`, of
answer type `report`, the caption as answer. Kim et al. 2026 use 164 of them for testing, with this question:
"Describe the key visual features of the medical image (e.g., shape, size, location, density, contrast).
Then, provide the clinical findings."
"""

from pathlib import Path

from zoo.datasets import Contents, Dataset
from zoo.datasets._groups import SPLITS
from zoo.datasets._plain import LAYOUT, read_plain


def read(folder: Path, split: str) -> Contents:
    """The captions of a split as report questions; see `load_questions` for what it raises."""
    return read_plain(folder, split, name="amboss", source="amboss")


DATASET = Dataset(
    splits=SPLITS,
    license="proprietary",
    publishable=False,
    restricted=True,
    about="AMBOSS: pictures of all kinds with experts' captions. Your own copy only.",
    risks=(
        "Bias: pictures chosen to teach, with captions for students: typical cases of many fields, few "
        "of each.",
        "Risk: captions may say what follows from the case and not from the picture.",
        "Privacy: teaching pictures; their rights are the publisher's. Nothing of them is passed on, "
        "only aggregates are published.",
    ),
    layout=LAYOUT,
    read=read,
)
