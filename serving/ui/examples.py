"""Drawn scans to click on, with a question each. They show no one, so they may be kept and repeated."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

from zoo.phantom.questions import ask
from zoo.phantom.scans import Scan, make_scan

FIRST_SEED = 3_000_011
"""Where the search for example scans begins: among the test scans of the phantom data set."""
ASKED = ("report", "side", "kind", "zone")
"""The types of questions that the examples ask, in order."""


@dataclass(frozen=True)
class Example:
    """A picture and what to ask about it."""

    png: bytes
    label: str
    question: str

    @property
    def thumbnail(self) -> str:
        """The picture as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


def examples() -> list[Example]:
    """One example for each type of question, each of another modality and organ, all with a finding."""
    found: list[Example] = []
    modalities, organs = set[str](), set[str]()
    seed = FIRST_SEED
    while len(found) < len(ASKED):
        scan = make_scan(seed)
        if scan.finding is not None and scan.modality not in modalities and scan.organ not in organs:
            modalities.add(scan.modality)
            organs.add(scan.organ)
            found.append(_example(scan, ASKED[len(found)]))
        seed += 1
    return found


def _example(scan: Scan, question_type: str) -> Example:
    asked = [item for item in ask(scan) if item.question_type == question_type]
    question = next((item for item in asked if item.answer_type != "closed"), asked[0])
    label = f"{scan.modality} of the {scan.organ}"
    out = io.BytesIO()
    Image.fromarray(scan.pixels).save(out, "PNG")
    return Example(out.getvalue(), label[0].upper() + label[1:], question.prompt)
