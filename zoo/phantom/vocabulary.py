"""The words in which drawn scans are described: plain tuples, and what may occur together.

It knows no pictures and no questions. Left and right are the patient's.
"""

MODALITIES = ("x-ray", "CT", "MRI", "ultrasound")
ORGANS = ("lungs", "kidneys", "liver", "brain", "heart")
SIDES = ("left", "right")
ZONES = ("upper", "middle", "lower")
SIZES = ("small", "medium", "large")
KINDS = ("nodule", "mass", "cyst", "calcification", "consolidation", "effusion")
QUESTION_TYPES = ("modality", "organ", "presence", "side", "zone", "size", "kind", "report")

PAIRED = ("lungs", "kidneys")
"""Organs of which there are two; the others have a left and a right part."""

ONE_OF = {"lungs": "lung", "kidneys": "kidney"}
"""The singular of each paired organ."""

ORGANS_SEEN_ON = {
    "x-ray": ("lungs", "kidneys"),
    "CT": ("lungs", "kidneys", "liver", "brain"),
    "MRI": ("brain", "liver", "heart", "kidneys"),
    "ultrasound": ("liver", "kidneys", "heart"),
}

KINDS_FOUND_IN = {
    "lungs": ("nodule", "mass", "cyst", "consolidation", "effusion"),
    "kidneys": ("mass", "cyst", "calcification"),
    "liver": ("nodule", "mass", "cyst", "calcification"),
    "brain": ("nodule", "mass", "cyst", "calcification"),
    "heart": ("nodule", "mass", "calcification"),
}


def place(side: str, organ: str) -> str:
    """The part of the organ on that side, such as `left kidney` or `right side of the liver`."""
    return f"{side} {ONE_OF[organ]}" if organ in PAIRED else f"{side} side of the {organ}"


def article(noun: str) -> str:
    """The noun with its indefinite article, such as `an x-ray` or `a CT`."""
    first = noun.split()[0]
    vowel = first[0].lower() in "aeio" or first == "ultrasound" or first in ("x-ray", "MRI")
    return f"{'an' if vowel else 'a'} {noun}"
