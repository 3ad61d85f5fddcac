"""Builds the pocket base on the user's pictures: a tower learns to see, SmolLM2 to answer, both are saved.

Training pictures teach, validation pictures say when to stop, test pictures are asked at the end alone; no
picture and no near duplicate of it is in two of these. A build that was killed goes on where it was, and ends
with the same weights on the same machine unless its time ran out. It knows nothing of adapters.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from zoo.bases import folder_revision
from zoo.bases.pocket import BASE
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.licences import narrowest
from zoo.vlm.ask import Asker
from zoo.vlm.builders import pocket_card, pocket_language, pocket_lessons, pocket_sights, pocket_vision
from zoo.vlm.builders.pocket_card import Measured
from zoo.vlm.builders.pocket_lessons import Course
from zoo.vlm.builders.workshop import Workshop
from zoo.vlm.model import load_base

COURSES = (
    Course(name="learn to attend", epochs=1, learning_rate=0.0, projector_rate=1e-3),
    Course(name="learn to answer", epochs=6, learning_rate=1.5e-4, projector_rate=5e-4),
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a build."""

    seed: int = 0
    seeing: pocket_vision.SeeingRecipe = field(default_factory=pocket_vision.SeeingRecipe)
    views: int = 6
    """Of each picture that the language model is shown: itself, and disturbed ones."""
    courses: tuple[Course, ...] = COURSES
    threads: int = 2
    checkpoint_every_s: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The questions of each split, and the language model's file or folder."""

    train: QuestionSet
    validation: QuestionSet
    test: QuestionSet
    language: Path


def build_pocket(out: Path, sources: Sources, recipe: Recipe, *, minutes: float) -> dict[str, Measured]:
    """Build the base into `out`, showing progress; return how good it is on the test questions.

    No epoch is begun once so many `minutes` of teaching have passed, all tries together. Unfinished work lies
    in `OUT.building`.

    Raises:
        BadInput: `out` is there, or holds another build's unfinished work, or splits share a picture.
        BadImage: a picture is missing or broken.
    """
    if out.exists():
        raise BadInput(f"{out} is there already", hint="name another folder with --out, or remove it")
    _check_apart(sources)
    torch.set_num_threads(recipe.threads)
    identity = {
        "recipe": asdict(recipe),
        "train": sources.train.fingerprint,
        "validation": sources.validation.fingerprint,
        "language": pocket_language.digest_of(sources.language),
    }
    shop = Workshop(out.with_name(f"{out.name}.building"), identity, every_s=recipe.checkpoint_every_s)
    model, tokenizer, seen, courses = _teach(sources, recipe, shop, minutes)
    draft = shop.folder / "base"
    draft.mkdir(exist_ok=True)
    model.save_pretrained(draft)
    pocket_language.make_processor(tokenizer).save_pretrained(draft)
    found = measure(draft, sources)
    terms = narrowest(BASE.license, sources.train.license)
    text = pocket_card.card(
        license=terms,
        license_id=terms if " " not in terms else "other",
        tower=f"{sum(p.numel() for p in model.model.vision_tower.parameters()) / 1e6:.1f}",
        pictures=len(pocket_sights.by_picture(sources.train.questions)),
        seed=recipe.seed,
        language=f"`{sources.language.name}`, sha256 {identity['language']}",
        data=f"`{sources.train.name}`",
        splits=pocket_card.split_rows(sources.train, sources.validation, sources.test),
        notes="\n".join(f"- {note}" for note in sources.train.notes),
        seeing=recipe.seeing.steps,
        read=", ".join(
            f"{name} {seen[name]:.0%}" for name in (*pocket_sights.TOPICS, "terms") if name in seen
        ),
        courses="; ".join(courses),
        minutes=round(shop.minutes),
        threads=recipe.threads,
        rows=pocket_card.table(found),
    )
    (draft / "README.md").write_text(text, encoding="utf-8")
    for file in draft.iterdir():
        file.chmod(0o644)
    draft.rename(out)
    rmtree(shop.folder)
    return found


def _teach(
    sources: Sources, recipe: Recipe, shop: Workshop, minutes: float
) -> tuple[Any, Any, dict[str, float], list[str]]:
    """The taught model, its tokenizer, what its tower reads of validation pictures, how each course went."""
    pools, words = _pools(sources)
    with _bar("learn to see", recipe.seeing.steps) as bar:
        tower, reader = pocket_vision.pretrain_tower(
            pools["train"], words, recipe.seeing, seed=recipe.seed, shop=shop, tick=bar.update
        )
    seen = pocket_vision.measure_tower(tower, reader, pools["validation"], words)
    language, tokenizer = pocket_language.load_language(sources.language)
    torch.manual_seed(recipe.seed)
    model = pocket_language.new_model(language, tokenizer, tower.config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    tokens = pocket_vision.disturbed_tokens(tower, pools["train"], views=recipe.views, seed=recipe.seed)
    held_tokens = pocket_vision.all_patch_tokens(tower, pools["validation"].pixels)
    prefix, lessons = pocket_lessons.make_lessons(sources.train.questions, tokenizer)
    _, held = pocket_lessons.make_lessons(sources.validation.questions, tokenizer)
    courses = []
    for course in recipe.courses:
        with _bar(course.name, course.epochs * len(lessons)) as bar:
            taught = pocket_lessons.teach(
                model,
                course,
                prefix=prefix,
                lessons=lessons,
                tokens=tokens,
                held=held,
                held_tokens=held_tokens,
                seed=recipe.seed,
                shop=shop,
                time_left=lambda: shop.minutes < minutes,
                tick=bar.update,
            )
        losses = ", ".join(f"{loss:.3f}" for loss in taught.losses)
        courses.append(
            f"{taught.epochs} of {course.epochs} epochs ({course.name}; validation loss an answer {losses}; "
            f"epoch {taught.best} is kept)"
        )
    return model, tokenizer, seen, courses


def _check_apart(sources: Sources) -> None:
    """Refuse splits of which two share a picture or a near duplicate."""
    groups: dict[str, set[str]] = {}
    for part in (sources.train, sources.validation, sources.test):
        of = part.group_of or (lambda name: name)
        groups[part.split] = {of(name) for name in pocket_sights.by_picture(part.questions)}
    splits = list(groups)
    for i, one in enumerate(splits):
        for other in splits[i + 1 :]:
            if both := groups[one] & groups[other]:
                raise BadInput(
                    f"{len(both)} pictures or near duplicates are in {one} and in {other} too",
                    hint="take a folder whose splits are made by picture: plain records that name none",
                )


def _pools(sources: Sources) -> tuple[dict[str, pocket_sights.Pool], pocket_sights.Vocabulary]:
    words = pocket_sights.find_vocabulary(sources.train)
    pools = {}
    for part in (sources.train, sources.validation):
        with _bar(f"read {part.split}", len(pocket_sights.by_picture(part.questions))) as bar:
            pools[part.split] = pocket_sights.make_pool(part, words, tick=bar.update)
    return pools, words


@dataclass(frozen=True)
class _Asked:
    """A question as the asker takes it."""

    images: Sequence[Image.Image]
    prompt: str
    seed: int = 0


def measure(folder: Path, sources: Sources) -> dict[str, Measured]:
    """How good the base in `folder` is on the test questions, in bfloat16, beside what needs no picture."""
    base = replace(BASE, name="pocket", folder=folder, revision=folder_revision(folder))
    asker, asked = Asker(load_base(base, dtype="bfloat16")), sources.test
    pictures = {name: asked.open_image(name) for name in pocket_sights.by_picture(asked.questions)}
    grey = Image.new("RGB", (pocket_sights.SIDE,) * 2, (128, 128, 128))
    answers: dict[str, list[str]] = {"own": [], "blank": []}
    with _bar("ask", 2 * len(asked.questions)) as bar:
        for name, said in answers.items():
            for start in range(0, len(asked.questions), _AT_ONCE):
                part = asked.questions[start : start + _AT_ONCE]
                shown = [pictures[q.images[0]] if name == "own" else grey for q in part]
                said += asker.answers([_Asked([p], q.prompt) for p, q in zip(shown, part, strict=True)])
                bar.update(len(part))
    of = asked.group_of or (lambda name: name)
    return pocket_card.measured(
        asked.questions,
        [of(q.images[0]) for q in asked.questions],
        own=answers["own"],
        blank=answers["blank"],
        majority=pocket_card.majority_answers(sources.train.questions, asked.questions),
    )


_AT_ONCE = 64


@contextmanager
def _bar(what: str, total: int) -> Iterator["tqdm[Any]"]:
    bar: tqdm[Any]
    with tqdm(total=total, desc=f"{what:<16}", unit="", mininterval=0.5) as bar:
        yield bar
