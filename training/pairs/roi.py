"""Where to look: the part of an image that a question is about.

From the data set's own masks and boxes, from a precomputed heat map, or from the policy's attention. Knows
nothing of what is done there.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from training.pairs.step import Draft, Heat, Tools
from zoo.errors import BadInput
from zoo.lexicon import find_terms

Source = Literal["auto", "mask", "box", "annotation", "heat_map", "attention"]
"""Where a region comes from. `annotation` is a mask or a box; `auto` an annotation, else a heat map."""
ANNOTATED = ("mask", "box", "annotation")


@dataclass(frozen=True, kw_only=True)
class Roi:
    """A part of one image of a draft."""

    mask: Image.Image
    """Mode L, 255 inside and 0 outside, of the image's size; never empty."""
    source: str
    """`mask`, `box`, `mask and box`, `heat map` or `attention`."""
    label: str
    """What is there, in the data set's words; or how the heat was cut, and of which file."""
    confidence: float
    """0 to 1. 1 for what is annotated; the mean heat inside; the share of attention inside."""
    image: int = 0
    """Which of the draft's images it is in."""

    @property
    def box(self) -> list[int]:
        """Left, top, width, height in pixels of the smallest box around it."""
        left, top, right, bottom = self.mask.getbbox() or (0, 0, 0, 0)
        return [left, top, right - left, bottom - top]


def find_roi(draft: Draft, tools: Tools, source: Source, *, deviations: float = 1.0) -> Roi | None:
    """The region that a draft's question is about, in the first of its images that has one; None if none has.

    Of annotated regions those findings fit that the question or its answer names; else the regions of any
    kind that they name; else any finding. Several that fit are united. Heat and attention count as inside
    where they are above their mean by more than `deviations` standard deviations; attention is that to the
    first image.

    Raises:
        BadInput: a mask of another size than its image, a broken heat map, or no policy to ask for attention.
    """
    if source == "attention":
        return _attended(draft, tools, deviations)
    for kind in ("annotation", "heat_map") if source == "auto" else (source,):
        for number in range(len(draft.images)):
            if kind in ANNOTATED:
                roi = _annotated(draft, tools, kind, number)
            else:
                roi = _heated(draft, tools, number, deviations)
            if roi is not None:
                return roi
    return None


def _annotated(draft: Draft, tools: Tools, kind: str, number: int) -> Roi | None:
    name, image = draft.question.images[number], draft.images[number]
    known = [r for r in tools.questions.regions(name) if kind in ("annotation", r.source)]
    for region in known:
        if region.mask.size != image.size:
            raise BadInput(
                f"{draft.id}: the mask of {region.label!r} is {region.mask.width} x {region.mask.height}, "
                f"the image {name} {image.width} x {image.height}"
            )
    about = f"{draft.prompt}\n{draft.question.answer}"
    named = [region for region in known if is_named(region.label, about)]
    findings = [region for region in known if region.is_finding]
    fitting = [r for r in named if r.is_finding] or named or findings
    drawn = {r.label.lower() for r in fitting if r.source == "mask"}
    exact = [r for r in fitting if r.source == "mask" or r.label.lower() not in drawn]
    inside = np.any([np.asarray(r.mask) > 0 for r in exact], axis=0) if exact else np.zeros(1, dtype=bool)
    if not inside.any():
        return None
    return Roi(
        mask=Image.fromarray(inside).convert("L"),
        source=" and ".join(sorted({r.source for r in exact}, reverse=True)),
        label=", ".join(sorted({r.label for r in exact})),
        confidence=1.0,
        image=number,
    )


def is_named(label: str, text: str) -> bool:
    """Whether a text names what a region's label says: `Left Lung` by "lung" and "left lung", not by "right
    lung"; `Lung Cancer` by "tumor", not by "lung" alone nor by "liver tumor"."""
    terms = find_terms(label)
    core = [t for t in terms if t.group.name == "finding"] or [
        t for t in terms if t.group.error_types and "SLC" not in t.group.error_types
    ]
    if not core:
        return re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE) is not None
    told: dict[str, set[str]] = {}
    for term in find_terms(text):
        told.setdefault(term.group.family or term.group.name, set()).add(term.term[0])
    held: dict[str, set[str]] = {}
    for term in terms:
        held.setdefault(term.group.family or term.group.name, set()).add(term.term[0])
    complete = all(t.term[0] in told.get(t.group.family or t.group.name, set()) for t in core)
    return complete and all(group not in told or told[group] & held[group] for group in held)


def _heated(draft: Draft, tools: Tools, number: int, deviations: float) -> Roi | None:
    if tools.heat_maps is None:
        return None
    path = tools.heat_maps / f"{draft.question.images[number]}.npy"
    if not path.is_file():
        return None
    try:
        heat = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadInput(f"{draft.id}: {path} is no heat map ({error})") from None
    if heat.ndim != 2 or not heat.size or not np.all((heat >= 0) & (heat <= 1)):
        raise BadInput(f"{draft.id}: {path} is no heat map: it holds (rows, columns) from 0 to 1")
    resized = _resized(heat, draft.images[number].size)
    inside = resized > resized.mean() + deviations * resized.std()
    if not inside.any():
        return None
    return Roi(
        mask=Image.fromarray(inside).convert("L"),
        source="heat map",
        label=f"{_cut(deviations)} of sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}",
        confidence=float(resized[inside].mean()),
        image=number,
    )


def _attended(draft: Draft, tools: Tools, deviations: float) -> Roi | None:
    heat = _resized(tools.need_policy().attention([draft.to_ask()])[0], draft.images[0].size)
    inside = heat > heat.mean() + deviations * heat.std()
    if not inside.any():
        return None
    return Roi(
        mask=Image.fromarray(inside).convert("L"),
        source="attention",
        label=_cut(deviations),
        confidence=float(heat[inside].sum() / heat.sum()),
    )


def _resized(heat: Heat, size: Sequence[int]) -> Heat:
    """Heat at an image's resolution, (rows, columns)."""
    whole = Image.fromarray(heat.astype(np.float32)).resize((size[0], size[1]), Image.Resampling.BILINEAR)
    return np.asarray(whole, dtype=np.float32)


def _cut(deviations: float) -> str:
    return f"above mean {'+' if deviations >= 0 else '-'} {abs(deviations):g} std"
