"""Radiology report text -> its findings, and without what only an earlier picture could show."""

import re

MIN_WORDS = 8
"""A findings section of fewer words is very short."""
PROMPT = "Describe the findings of this chest X-ray."

_HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /()&-]+):", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z_\d])")
_COMPARES = re.compile(
    r"\b(?:prior|previous(?:ly)?|compar\w+|interval\w*|unchanged|stable|again|since|new(?:ly)?|increas\w+"
    r"|decreas\w+|improv\w+|worsen\w+|resol(?:v|u)\w+|persist\w+|remain\w*|no longer|earlier|change[sd]?)\b",
    re.IGNORECASE,
)


def findings_section(report: str) -> str:
    """The text below the heading FINDINGS up to the next heading, in one line; empty where there is none."""
    headings = list(_HEADING.finditer(report))
    for number, heading in enumerate(headings):
        if heading[1].strip() == "FINDINGS":
            end = headings[number + 1].start() if number + 1 < len(headings) else len(report)
            return " ".join(report[heading.end() : end].split())
    return ""


def without_comparisons(text: str) -> tuple[str, int]:
    """The text without its sentences that compare with another examination, and how many these were."""
    sentences = _SENTENCE.split(text) if text else []
    kept = [sentence for sentence in sentences if not _COMPARES.search(sentence)]
    return " ".join(kept), len(sentences) - len(kept)


def is_very_short(text: str) -> bool:
    """Whether a findings section says too little to be a report."""
    return len(text.split()) < MIN_WORDS
