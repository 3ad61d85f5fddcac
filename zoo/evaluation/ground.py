"""Where a base and its adapters look when they are asked about pictures whose findings are marked.

Needs a model. One line a question and adapter, a value a layer; what they come to is
`zoo.evaluation.report.grounded`'s to say.
"""

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.evaluation.grounding import (
    GENERAL,
    SUFFIX,
    Floats,
    Mask,
    attention_ratio,
    js_divergence,
    kl_divergence,
    patch_mask,
    relative_attention,
)
from zoo.evaluation.plan import adapter_names
from zoo.manifest import read_manifest
from zoo.records import BASE, Question
from zoo.vlm.attention import layer_attention
from zoo.vlm.bank import AdapterBank
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.patches import patch_coverage


@dataclass(frozen=True, kw_only=True)
class Grounding:
    """Where one adapter looked at one question. The values are by layer, from the first."""

    question_id: str
    dataset: str
    split: str
    images: tuple[str, ...]
    base: str
    """`name@revision`"""
    adapter: str
    variant: str
    digest: str
    """sha256 of the adapter's weights; empty for the base."""
    suffix: bool
    """Whether both prompts ended with VGMED's request for a short answer."""
    patches: int
    """Image tokens of the first image."""
    inside: int
    """Those of them that the findings cover."""
    ratio: tuple[float, ...]
    """Attention inside over that everywhere; 1 is chance."""
    kl: tuple[float, ...]
    js: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Grounded:
    """All of it, and what was left out."""

    rows: list[Grounding]
    """By adapter, the base first, in the questions' order."""
    notes: tuple[str, ...]


def ground(
    vlm: VisionLanguageModel,
    adapters: Sequence[Path],
    questions: QuestionSet,
    *,
    names: Sequence[str] | None = None,
    suffix: bool = True,
) -> Grounded:
    """Look at every question whose first picture has a marked finding, with the base and each adapter.

    With `suffix` the question and the general description end with VGMED's request for a short answer.

    Raises:
        BadAdapter: an adapter folder fails one of the bank's load checks.
        BadDeclaration: which pixels a token is of is not known for this base, or a layer does not see the
            image.
        BadInput: no picture has a finding that the base sees, or two adapters bear one name.
    """
    manifests = [read_manifest(folder) for folder in adapters]
    named = list(names) if names is not None else adapter_names(manifests)
    answerers = [
        (BASE, BASE, ""),
        *((name, m.variant.name, m.weights_sha256) for name, m in zip(named, manifests, strict=True)),
    ]
    bank = AdapterBank(vlm, slots=len(answerers), max_rank=max([m.lora.r for m in manifests], default=1))
    for slot, (folder, manifest) in enumerate(zip(adapters, manifests, strict=True), start=1):
        bank.load(slot, folder, manifest)
    end = f"\n{SUFFIX}" if suffix else ""
    rows: list[Grounding] = []
    blind = unmarked = unseen = 0
    with tqdm(total=len(questions.questions), desc="looks", unit="question") as bar:
        for images, of_images in _by_images(questions).items():
            bar.update(len(of_images))
            if not images:
                blind = len(of_images)
                continue
            marked = _findings(questions, images[0])
            if marked is None:
                unmarked += len(of_images)
                continue
            features = vlm.encode_images([questions.open_image(name) for name in images])
            mask = patch_mask(patch_coverage(vlm, features.images[0], marked))
            if mask is None:
                unseen += len(of_images)
                continue
            general = _attention(vlm, features, GENERAL + end, len(answerers))
            for question in of_images:
                own = _attention(vlm, features, question.prompt + end, len(answerers))
                attention = relative_attention(own, general)
                rows += _rows(vlm, question, answerers, attention, mask, suffix=suffix)
    if not rows:
        raise BadInput(
            f"no picture of {questions.name}/{questions.split} has a marked finding that {vlm.base.name} "
            "sees",
            hint="take a data set with masks or boxes, or a greater --limit",
        )
    order = [name for name, _, _ in answerers]
    place = {question.id: number for number, question in enumerate(questions.questions)}
    rows.sort(key=lambda row: (order.index(row.adapter), place[row.question_id]))
    return Grounded(rows=rows, notes=_notes(blind, unmarked, unseen))


def write_rows(path: Path, rows: Iterable[Grounding]) -> None:
    """Write a line of JSON for each row in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) + "\n")
    os.replace(part, path)


def _by_images(questions: QuestionSet) -> dict[tuple[str, ...], list[Question]]:
    """The questions by their images."""
    found: dict[tuple[str, ...], list[Question]] = {}
    for question in questions.questions:
        found.setdefault(question.images, []).append(question)
    return found


def _attention(vlm: VisionLanguageModel, features: ImageFeatures, prompt: str, slots: int) -> Floats:
    """(slots, layers, patches)"""
    found = layer_attention(vlm, features, prompt, slots=range(slots))
    return np.asarray(found.reshape(*found.shape[:2], -1), dtype=np.float64)


def _rows(
    vlm: VisionLanguageModel,
    question: Question,
    answerers: Sequence[tuple[str, str, str]],
    attention: Floats,
    mask: Mask,
    *,
    suffix: bool,
) -> list[Grounding]:
    """Everyone's, from attention (slots, layers, patches)."""
    return [
        Grounding(
            question_id=question.id,
            dataset=question.dataset,
            split=question.split,
            images=question.images,
            base=vlm.base.pinned,
            adapter=name,
            variant=variant,
            digest=digest,
            suffix=suffix,
            patches=len(mask),
            inside=int(mask.sum()),
            ratio=_values(attention_ratio(of_one, mask), question),
            kl=_values(kl_divergence(of_one, mask), question),
            js=_values(js_divergence(of_one, mask), question),
        )
        for (name, variant, digest), of_one in zip(answerers, attention, strict=True)
    ]


def _findings(questions: QuestionSet, image: str) -> Image.Image | None:
    """The marked findings of a picture in one mask; None where there are none. Organs do not count."""
    masks = [np.asarray(region.mask) > 0 for region in questions.regions(image) if region.is_finding]
    return Image.fromarray(np.any(masks, axis=0)).convert("L") if masks else None


def _values(values: Floats, question: Question) -> tuple[float, ...]:
    found = tuple(round(float(value), 6) for value in values)
    if not all(map(math.isfinite, found)):
        raise BadInput(f"the attention on the image of {question.id} is no number in some layer")
    return found


def _notes(blind: int, unmarked: int, unseen: int) -> tuple[str, ...]:
    notes = []
    if blind:
        notes.append(f"{blind} questions have no picture: left out.")
    if unmarked:
        notes.append(f"{unmarked} questions are about pictures without a marked finding: left out.")
    if unseen:
        notes.append(f"{unseen} questions are about findings that the processor crops away: left out.")
    return tuple(notes)
