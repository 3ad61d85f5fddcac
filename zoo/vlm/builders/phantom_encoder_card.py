"""How well the phantom's contrastive encoder tells right phrases from wrong ones, and its model card."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from string import Template

import numpy as np
from PIL import Image

from zoo.datasets.phantom import SCANS, scan_of
from zoo.phantom import vocabulary as words
from zoo.phantom.scans import Finding
from zoo.vlm.similarity import PhraseSimilarity

ATTRIBUTES = {
    "modality": words.MODALITIES,
    "organ": words.ORGANS,
    "kind": words.KINDS,
    "side": words.SIDES,
    "zone": words.ZONES,
    "size": words.SIZES,
}
WHOLE = "whole phrase"


@dataclass(frozen=True, kw_only=True)
class Told:
    """How well right phrases are told from wrong ones; 0.5 is chance."""

    scans: int
    within: float
    """Share of pairs, of a right and a wrong phrase on the same scan, in which the right one fits better."""
    across: float
    """The same over all pairs, also of different scans: the area under the ROC curve, which one threshold for
    all scans lives on."""


def whole_phrase(finding: Finding, organ: str) -> str:
    """All of a finding in one phrase."""
    where = words.place(finding.side, organ)
    return f"{finding.size} {finding.kind} in the {finding.zone} zone of the {where}"


def measure_encoder(similarity: PhraseSimilarity, *, scans: int = SCANS["validation"]) -> dict[str, Told]:
    """How well cosines tell each attribute's true word from its other words on scans of the validation split,
    and a finding's `WHOLE` phrase ("large nodule in the lower zone of the right lung") from those with one
    word of it wrong."""
    cosines: dict[str, list[list[float]]] = {name: [] for name in (*ATTRIBUTES, WHOLE)}
    for index in range(scans):
        scan = scan_of("validation", index)
        image = Image.fromarray(scan.pixels)
        true = {
            "modality": scan.modality,
            "organ": scan.organ,
            **(asdict(scan.finding) if scan.finding else {}),
        }
        for name, word in true.items():
            others = [other for other in ATTRIBUTES[name] if other != word]
            cosines[name].append(similarity(image, [word, *others]))
        if scan.finding:
            said = [scan.finding] + [
                replace(scan.finding, **{name: other})
                for name in asdict(scan.finding)
                for other in ATTRIBUTES[name]
                if other != true[name]
            ]
            cosines[WHOLE].append(similarity(image, [whole_phrase(finding, scan.organ) for finding in said]))
    return {name: _told(rows) for name, rows in cosines.items()}


def _told(cosines: Sequence[Sequence[float]]) -> Told:
    """From each scan's cosines, the right phrase's first."""
    right = np.array([row[0] for row in cosines])
    wrong = np.array([cosine for row in cosines for cosine in row[1:]])
    above, level = right[:, None] > wrong, right[:, None] == wrong
    return Told(
        scans=len(cosines),
        within=float(np.mean([row[0] > cosine for row in cosines for cosine in row[1:]])),
        across=float(above.mean() + level.mean() / 2),
    )


CARD = Template("""\
---
license: apache-2.0
library_name: transformers
pipeline_tag: zero-shot-image-classification
language: en
tags:
- medvlm-zoo
- medical
- toy
---
# The phantom's contrastive encoder

$notice

A research toy: a small CLIP that tells how well a phrase fits a **drawn** scan. It knows nothing of medicine,
and no words but those of reports on drawn scans and, as never right, the lexicon's.

Made by `medzoo phantom build-encoder --seed $seed`: $steps steps on $scans drawn scans of the pretrain split.
The vision tower began as that of `$base`;
of its layers the last $trained_layers were trained further.

Right phrases told from wrong ones by cosine, on the scans of the validation split:

| phrases | scans | on one scan | across scans (AUC) |
|---|---|---|---|
$rows

Chance is 50 % and 0.5. A right phrase and the wrong ones are words of one kind; a whole phrase, such as
"large nodule in the lower zone of the right lung", is set against those with one word of it wrong.
""")
