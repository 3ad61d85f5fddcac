"""What a data set tells of each picture, as classes that the pocket base's vision tower learns first.

All read off questions, answers and marks: answers to questions that are asked of many pictures; the body part
and the modality that its texts name most; clinical terms that an answer affirms or denies; where the marked
regions lie. It knows no data set by name
and no words but the lexicon's. A question answered "no" denies every term in it, so an organ that is
"not healthy" is now and then taken for absent: labels are noisy where a term is not affirmed elsewhere.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch

from zoo.datasets import QuestionSet
from zoo.lexicon import facts, find_terms
from zoo.records import Question

SIDE = 224
MARKS_SIDE = 56
"""Pixels a side at which regions are kept."""
EXCLUSIVE = ("modality", "MR sequence", "plane")
"""Groups of the lexicon of which a picture has one term."""
LEAST_ASKED = 12
"""Pictures that a question must be asked of to have classes of its own."""
LEAST_OF_CLASS = 3
"""Pictures that a class must have."""
UNKNOWN = -1
BODY_PARTS = {"chest organ": "chest", "abdominal organ": "abdomen", "head organ": "head"}
TOPICS = {"body part": (*BODY_PARTS.values(), "pelvis"), "modality": ("CT", "MRI", "x-ray", "ultrasound")}
"""What the texts about a picture are about, beside what is asked of it."""

Tick = Callable[[], object]
Fact = tuple[str, str]


@dataclass(frozen=True)
class Vocabulary:
    """The classes, in a fixed order; drawn from training pictures alone."""

    asked: tuple[tuple[str, tuple[str, ...]], ...]
    """Questions that many pictures are asked and topics, each with its answers."""
    facts: tuple[Fact, ...]
    regions: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """Pictures as the tower sees them, with what there is to know of each."""

    names: tuple[str, ...]
    pixels: torch.Tensor
    """uint8, (pictures, 3, SIDE, SIDE)."""
    asked: torch.Tensor
    """Class of the answer to each question and topic, or UNKNOWN, (pictures, questions)."""
    facts: torch.Tensor
    """1 where a term holds, 0 where not, UNKNOWN, (pictures, terms)."""
    marks: torch.Tensor
    """uint8 0..255, (pictures, regions, MARKS_SIDE, MARKS_SIDE)."""
    marked: torch.Tensor
    """Whether the picture has any region, bool, (pictures,)."""


def plain(text: str) -> str:
    """A question or an answer without case, outer blanks and end mark."""
    return " ".join(text.lower().split()).strip(" ?.!")


def by_picture(questions: Sequence[Question]) -> dict[str, list[Question]]:
    """The questions about each picture, the pictures in the order of their first question."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        found[question.images[0]].append(question)
    return dict(found)


def find_vocabulary(found: QuestionSet) -> Vocabulary:
    """The classes that enough pictures of the set have."""
    asked: dict[str, dict[str, str]] = defaultdict(dict)
    held: Counter[Fact] = Counter()
    denied: Counter[Fact] = Counter()
    labels: Counter[str] = Counter()
    for name, questions in by_picture(found.questions).items():
        for question in questions:
            asked[plain(question.prompt)][name] = plain(question.answer)
        for fact, holds in known_facts(questions).items():
            (held if holds else denied)[fact] += 1
        labels.update({region.label for region in found.regions(name)})
    answers = {
        prompt: tuple(sorted(a for a, n in Counter(given.values()).items() if n >= LEAST_OF_CLASS))
        for prompt, given in asked.items()
        if len(given) >= LEAST_ASKED
    }
    return Vocabulary(
        asked=(
            *((prompt, classes) for prompt, classes in sorted(answers.items()) if len(classes) > 1),
            *TOPICS.items(),
        ),
        facts=tuple(sorted(f for f, n in held.items() if min(n, denied[f]) >= LEAST_OF_CLASS)),
        regions=tuple(sorted(label for label, n in labels.items() if n >= LEAST_OF_CLASS)),
    )


def known_facts(questions: Sequence[Question]) -> dict[Fact, bool]:
    """The lexicon's terms that the answers about one picture affirm (True) or deny (False)."""
    held, denied = set[Fact](), set[Fact]()
    for question in questions:
        answer = plain(question.answer)
        if answer in ("yes", "no"):
            (held if answer == "yes" else denied).update(facts(question.prompt))
        else:
            held |= facts(question.answer)
    found = dict.fromkeys(denied, False) | dict.fromkeys(held, True)
    return {f: h for f, h in found.items() if f[0] != "answer" and not f[1].startswith("no ")}


def topics(questions: Sequence[Question]) -> dict[str, str]:
    """The body part and the modality that the texts about one picture name most, where they name any."""
    named: dict[str, Counter[str]] = {topic: Counter() for topic in TOPICS}
    for question in questions:
        for found in find_terms(f"{question.prompt} {question.answer}"):
            group, term = found.group.name, found.term[0]
            if group == "modality":
                named["modality"][term] += 1
            elif part := BODY_PARTS.get(group, term if group == "region" else ""):
                named["body part"][part] += 1
    return {topic: counts.most_common(1)[0][0] for topic, counts in named.items() if counts}


def make_pool(found: QuestionSet, words: Vocabulary, *, tick: Tick) -> Pool:
    """All pictures of the set; `tick` at each.

    Raises:
        BadImage: a picture is missing or broken.
    """
    rows = by_picture(found.questions)
    pixels, marks = [], []
    for name in rows:
        pixels.append(_shrunk(found.open_image(name).convert("RGB"), SIDE))
        here = np.zeros((len(words.regions), MARKS_SIDE, MARKS_SIDE), np.uint8)
        for region in found.regions(name):
            if region.label in words.regions:
                here[words.regions.index(region.label)] = _shrunk(region.mask, MARKS_SIDE)
        marks.append(here)
        tick()
    kept = np.stack(marks)
    return Pool(
        names=tuple(rows),
        pixels=torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous(),
        asked=torch.tensor([_asked_row(q, words) for q in rows.values()]).reshape(len(rows), -1),
        facts=torch.tensor([_facts_row(q, words) for q in rows.values()]).reshape(len(rows), -1),
        marks=torch.from_numpy(kept),
        marked=torch.from_numpy(kept.reshape(len(rows), -1).any(axis=1)),
    )


def _asked_row(questions: Sequence[Question], words: Vocabulary) -> list[int]:
    given = {plain(q.prompt): plain(q.answer) for q in questions} | topics(questions)
    return [
        classes.index(given[prompt]) if given.get(prompt) in classes else UNKNOWN
        for prompt, classes in words.asked
    ]


def _facts_row(questions: Sequence[Question], words: Vocabulary) -> list[int]:
    known = known_facts(questions)
    settled = {group for (group, _), holds in known.items() if holds and group in EXCLUSIVE}
    return [
        int(known[fact]) if fact in known else 0 if fact[0] in settled else UNKNOWN for fact in words.facts
    ]


def _shrunk(picture: PIL.Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """Stretched to a square as the processor does it."""
    return np.asarray(picture.resize((side, side), PIL.Image.Resampling.BICUBIC))
