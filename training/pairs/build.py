"""Run a variant's makers over a question set into an inspectable folder.

    pairs.jsonl         the pairs, one a line
    images/  rejected/  the images they name, PNG
    pairs.json          what was kept, what was dropped and why, and the set's fingerprint

The folder appears whole or not at all; the same questions, variant, base and seed give the same bytes.
"""

import hashlib
import importlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from training.pairs.draft import Answer, Draft, Dropped, Made, pair_seed
from training.variant import Variant
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.records import PreferencePair, Question, to_line

PAIRS_NAME = "pairs.jsonl"
REPORT_NAME = "pairs.json"
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class PairReport:
    """What a pair set is and how it came to be."""

    variant: str
    base: str
    """`name@revision` of the base that answered, or that the pairs are meant for."""
    dataset: str
    split: str
    license: str
    seed: int
    questions: int
    kept: int
    dropped: dict[str, int]
    """Questions that gave no pair, by reason."""
    longer_is_chosen: float
    """Share of pairs whose chosen response is the longer, ties counted half: what length alone gives away."""
    makers: list[str]
    fingerprint: str
    """sha256 over the pairs and the images."""


def build_pairs(
    variant: Variant,
    questions: QuestionSet,
    out: Path,
    *,
    base: str,
    seed: int,
    answer: Answer | None = None,
) -> PairReport:
    """Make the pair set of a variant.

    Raises:
        BadInput: `out` exists already, or no question gave a pair.
    """
    if out.exists():
        raise BadInput(f"{out} exists already", hint=f"choose another --out, or remove it: rm -r {out}")
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    dropped: Counter[str] = Counter()
    pairs: list[PreferencePair] = []
    for batch in _batches(questions.questions):
        drafts, hows = _drafts(variant, batch, questions, seed)
        for draft, how, made in zip(drafts, hows, _responses(variant, drafts, answer), strict=True):
            if isinstance(made, Dropped):
                dropped[made.reason] += 1
                continue
            pairs.append(_pair(part, draft, how, made))
    if not pairs:
        raise BadInput(f"no question of {questions.name}/{questions.split} gave a pair: {dict(dropped)}")
    (part / PAIRS_NAME).write_text("".join(map(to_line, pairs)), encoding="utf-8")
    report = PairReport(
        variant=variant.name,
        base=base,
        dataset=questions.name,
        split=questions.split,
        license=questions.license,
        seed=seed,
        questions=len(questions.questions),
        kept=len(pairs),
        dropped=dict(sorted(dropped.items())),
        longer_is_chosen=_longer_is_chosen(pairs),
        makers=sorted(
            {str(p.made_by[k]) for p in pairs for k in ("writer", "rejected_image") if k in p.made_by}
        ),
        fingerprint=fingerprint(part),
    )
    (part / REPORT_NAME).write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    os.replace(part, out)
    return report


def fingerprint(folder: Path) -> str:
    """sha256 over a pair set's records and images, by relative path and content."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != REPORT_NAME):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _batches(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    with tqdm(total=len(questions), desc="pairs", unit="question") as bar:
        for start in range(0, len(questions), _BATCH):
            batch = questions[start : start + _BATCH]
            yield batch
            bar.update(len(batch))


def _drafts(
    variant: Variant, batch: Sequence[Question], questions: QuestionSet, seed: int
) -> tuple[list[Draft], list[dict[str, Any]]]:
    """Open the images and make the rejected ones; beside each draft, how they were made."""
    drafts, hows = [], []
    for question in batch:
        own = pair_seed(seed, question.id)
        images = tuple(questions.open_image(name) for name in question.images)
        rejected, how = None, {}
        if variant.rejected_image:
            maker = importlib.import_module(f"training.pairs.{variant.rejected_image}")
            made = [maker.make_image(image, own + i) for i, image in enumerate(images)]
            rejected = tuple(image for image, _ in made)
            how = {"rejected_image": variant.rejected_image, "images": [h for _, h in made]}
        drafts.append(Draft(question, images, rejected, own))
        hows.append(how)
    return drafts, hows


def _responses(
    variant: Variant, drafts: Sequence[Draft], answer: Answer | None
) -> Sequence[Made | Dropped | None]:
    """The rejected responses; None each where the variant has none. A copy of the truth is dropped."""
    if not variant.rejected_response:
        return [None] * len(drafts)
    maker = importlib.import_module(f"training.pairs.{variant.rejected_response}")
    made: list[Made | Dropped] = maker.make(drafts, answer)
    return [
        Dropped("rejected equals chosen")
        if isinstance(m, Made) and _plain(m.response) == _plain(d.question.answer)
        else m
        for d, m in zip(drafts, made, strict=True)
    ]


def _pair(folder: Path, draft: Draft, how: dict[str, Any], made: Made | None) -> PreferencePair:
    question = draft.question
    rejected_images = None
    if draft.rejected_images is not None:
        names = [f"rejected/{_file_name(question.id)}-{i}.png" for i in range(len(draft.rejected_images))]
        for name, image in zip(names, draft.rejected_images, strict=True):
            _save(folder / name, image)
        rejected_images = tuple(names)
    names = [f"images/{_file_name(name)}.png" for name in question.images]
    for name, image in zip(names, draft.images, strict=True):
        if not (folder / name).exists():
            _save(folder / name, image)
    return PreferencePair(
        id=f"{question.id}/pair",
        question_id=question.id,
        images=tuple(names),
        prompt=question.prompt,
        chosen=question.answer,
        rejected=made.response if made else None,
        rejected_images=rejected_images,
        made_by={**how, **(made.how if made else {}), "seed": draft.seed},
    )


def _save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(exist_ok=True)
    image.save(path)


def _file_name(name: str) -> str:
    """A question's id or image name as one safe file name."""
    stem = name.removesuffix(".png")
    safe = "".join(c if c.isalnum() or c in "-." else "-" for c in stem)
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"  # no two names become one


def _plain(text: str) -> str:
    return " ".join(text.lower().strip(" .").split())


def _longer_is_chosen(pairs: Sequence[PreferencePair]) -> float:
    """Accuracy of guessing that the longer response is the chosen one; 0.5 where nothing is rejected."""
    halves = [
        0.5 if len(p.chosen) == len(p.rejected) else float(len(p.chosen) > len(p.rejected))
        for p in pairs
        if p.rejected is not None
    ]
    return round(sum(halves) / len(halves), 4) if halves else 0.5
