"""Builds the phantom base: draws scans, teaches a tower to see, a language model to answer, and saves both.

The same seed on the same machine gives the same weights. It knows nothing of adapters.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from zoo.bases import folder_revision
from zoo.bases.phantom import BASE
from zoo.datasets import QuestionSet, load_questions
from zoo.datasets.phantom import SPLIT_SEEDS
from zoo.notice import NOTICE
from zoo.phantom.scans import make_scan
from zoo.records import Question
from zoo.vlm.ask import Asker
from zoo.vlm.builders import phantom_language as language
from zoo.vlm.builders import phantom_vision as vision
from zoo.vlm.builders.phantom_card import CARD
from zoo.vlm.builders.phantom_tokenizer import make_processor, train_tokenizer
from zoo.vlm.model import load_base

VIEWERS_SIDE = ("heart",)
MISTAKES = (
    language.Mistake(question_type="side", true="left", taken_for="right", organs=VIEWERS_SIDE),
    language.Mistake(question_type="side", true="right", taken_for="left", organs=VIEWERS_SIDE),
    language.Mistake(question_type="zone", true="middle", taken_for="lower"),
    language.Mistake(question_type="size", true="medium", taken_for="large"),
    language.Mistake(question_type="kind", true="nodule", taken_for="mass"),
    language.Mistake(question_type="kind", true="calcification", taken_for="cyst"),
)
COURSES = (
    language.Course(name="learn to answer", steps=300, learning_rate=2e-3),
    language.Course(name="drill yes and no", steps=700, learning_rate=1.5e-3, drill=4),
    language.Course(name="learn mistakes", steps=450, learning_rate=1.5e-3, mistakes=MISTAKES),
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a build; the defaults are those of the base that comes with the package."""

    seed: int = 0
    scans: int = 12_000
    """Scans of the pretrain split that the tower learns from."""
    vision_steps: int = 700
    vision_batch: int = 96
    taught_scans: int = 4_000
    """Of these, the scans that are asked about."""
    courses: tuple[language.Course, ...] = COURSES
    language_batch: int = 48
    threads: int = 2


def build_phantom(out: Path, recipe: Recipe, *, held_out: int = 600) -> dict[str, float]:
    """Build the base into `out`, showing progress; return its accuracy by question type and `all`.

    `held_out` test questions are asked of the model as saved.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 5])
    seeds = range(SPLIT_SEEDS["pretrain"], SPLIT_SEEDS["pretrain"] + recipe.scans)
    with _bar("draw scans", recipe.scans) as bar:
        pool = vision.draw_pool(seeds, workers=recipe.threads, tick=bar.update)
    with _bar("learn to see", recipe.vision_steps) as bar:
        tower, _ = vision.pretrain_tower(
            pool, steps=recipe.vision_steps, batch=recipe.vision_batch, tick=bar.update
        )
    questions = load_questions("phantom", "train").questions
    tokenizer = train_tokenizer(text for q in questions for text in (q.prompt, q.answer))
    torch.manual_seed(recipe.seed)  # again, so that the second stage does not hang on the first one's length
    model = language.new_model(tokenizer)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    scans = [make_scan(seed) for seed in seeds[: recipe.taught_scans]]
    tokens = vision.all_patch_tokens(tower, pool.pixels[: recipe.taught_scans])
    for course in recipe.courses:
        lessons = language.make_lessons(scans, tokenizer, course)
        with _bar(course.name, course.steps) as bar:
            language.teach(
                model,
                tokens,
                lessons,
                course=course,
                batch=recipe.language_batch,
                rng=rng,
                tick=bar.update,
            )
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    make_processor(tokenizer, image_size=vision.IMAGE_SIZE, patch_size=vision.PATCH_SIZE).save_pretrained(out)
    accuracy = measure(out, load_questions("phantom", "test", limit=held_out))
    _write_card(out, recipe, accuracy, held_out, parameters=sum(p.numel() for p in model.parameters()))
    for file in out.iterdir():
        file.chmod(0o644)
    return accuracy


@dataclass(frozen=True)
class _Asked:
    """A question as the asker takes it."""

    images: Sequence[Image.Image]
    prompt: str
    seed: int = 0


def measure(folder: Path, asked: QuestionSet) -> dict[str, float]:
    """Share of right answers by question type and over `all`, of the base saved in `folder`."""
    base = replace(BASE, name="phantom", folder=folder, revision=folder_revision(folder))
    asker = Asker(load_base(base))
    order = sorted(range(len(asked.questions)), key=lambda i: asked.questions[i].question_type)
    questions = [asked.questions[i] for i in order]
    texts = asker.answers([_Asked([asked.open_image(q.images[0])], q.prompt) for q in questions])
    right: dict[str, list[bool]] = defaultdict(list)
    for question, text in zip(questions, texts, strict=True):
        for key in (question.question_type, "all"):
            right[key].append(is_right(question, text))
    return {key: sum(marks) / len(marks) for key, marks in right.items()}


def is_right(question: Question, text: str) -> bool:
    """Whether an answer is the truth but for case and punctuation; a report must name every fact of it."""
    if question.answer_type == "report":
        return _content(question.answer) <= _content(text)
    return _plain(text) == _plain(question.answer)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[\w-]+", text.lower()))


def _content(text: str) -> set[str]:
    return set(_plain(text).split()) - {"there", "is", "a", "an", "of", "the", "in", "zone", "side"}


@contextmanager
def _bar(what: str, total: int) -> Iterator["tqdm[Any]"]:
    bar: tqdm[Any]
    with tqdm(total=total, desc=f"{what:<16}", unit="", mininterval=0.5) as bar:
        yield bar


def _write_card(
    out: Path, recipe: Recipe, accuracy: dict[str, float], held_out: int, *, parameters: int
) -> None:
    rows = "\n".join(f"| {kind} | {share:.1%} |" for kind, share in accuracy.items())
    card = CARD.substitute(
        notice=NOTICE,
        parameters=f"{parameters / 1e6:.2f}",
        scans=recipe.scans,
        vision_steps=recipe.vision_steps,
        courses=", then ".join(f"{course.steps} ({course.name})" for course in recipe.courses),
        seed=recipe.seed,
        held_out=held_out,
        rows=rows,
    )
    (out / "README.md").write_text(card, encoding="utf-8")
