"""The data sets the zoo knows: one file each, found by listing this folder; one way to load any.

A file declares `DATASET = Dataset(...)`. Questions come without their images; a question set opens an image
when it is asked for. It knows no model and no metric.
"""

import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Literal

import numpy as np
import PIL.Image

from zoo.errors import BadDeclaration, UnknownName
from zoo.records import Question, to_line

OpenImage = Callable[[str], PIL.Image.Image]


@dataclass(frozen=True, kw_only=True)
class Region:
    """A named part of a picture: a finding or an organ."""

    label: str
    """What it is, in the data set's words."""
    is_finding: bool
    """True for something wrong, False for an organ."""
    source: Literal["mask", "box"]
    mask: PIL.Image.Image
    """Mode L, 255 inside and 0 outside, of the picture's size."""


FindRegions = Callable[[str], tuple[Region, ...]]
"""The known regions of the picture of that name; empty where none are known."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A rejected response that comes with the data set, and its weight if it has one."""

    rejected: str
    weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set: its splits and how to get at their questions and pictures."""

    splits: tuple[str, ...]
    license: str
    publishable: bool = True
    """Whether pairs and pictures derived from it may be published."""
    restricted: bool = False
    """Whether its texts must not reach a third party."""
    about: str
    questions: Callable[[str], tuple[Question, ...]]
    """All questions of a split, in a fixed order."""
    open_image: OpenImage
    """The picture that a question names."""
    regions: FindRegions
    name: str = ""
    """Given by the file's name."""


@dataclass(frozen=True, kw_only=True)
class QuestionSet:
    """Questions of one split, and how to open their pictures and regions by name."""

    name: str
    split: str
    license: str
    publishable: bool = True
    restricted: bool = False
    questions: tuple[Question, ...]
    open_image: OpenImage
    regions: FindRegions
    given: Mapping[str, Given] = field(default_factory=dict)
    """Rejected responses that came with the questions, by question id."""

    @cached_property
    def fingerprint(self) -> str:
        """sha256 hex over the questions' JSON lines in order and every distinct picture's pixels.

        Opens each picture once, so it takes as long as reading them.
        """
        digest = hashlib.sha256()
        for question in self.questions:
            digest.update(to_line(question).encode())
        for image in dict.fromkeys(image for q in self.questions for image in q.images):
            picture = self.open_image(image)
            digest.update(f"{image} {picture.mode} {picture.size}\n".encode())
            digest.update(hashlib.sha256(picture.tobytes()).digest())
        return digest.hexdigest()


@cache
def datasets() -> dict[str, Dataset]:
    """Every data set of this folder by name.

    Raises:
        BadDeclaration: a file that declares no `DATASET`.
    """
    found: dict[str, Dataset] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        declared = getattr(importlib.import_module(f"{__name__}.{module}"), "DATASET", None)
        if not isinstance(declared, Dataset):
            raise BadDeclaration(f"zoo/datasets/{module}.py declares no DATASET = Dataset(...)")
        name = module.replace("_", "-")
        found[name] = Dataset(**{**vars(declared), "name": name})
    return found


def load_questions(name: str, split: str, *, limit: int | None = None, seed: int = 0) -> QuestionSet:
    """The questions of a split, or a seeded sample of at most `limit` in which question types are even.

    Raises:
        UnknownName: no data set of that name, or it has no such split.
    """
    if name not in datasets():
        raise UnknownName("data set", name, datasets())
    dataset = datasets()[name]
    if split not in dataset.splits:
        raise UnknownName(f"split of {name}", split, dataset.splits)
    questions = dataset.questions(split)
    return QuestionSet(
        name=name,
        split=split,
        license=dataset.license,
        publishable=dataset.publishable,
        restricted=dataset.restricted,
        questions=questions if limit is None else balanced_sample(questions, limit, seed=seed),
        open_image=dataset.open_image,
        regions=dataset.regions,
    )


def balanced_sample(questions: tuple[Question, ...], limit: int, *, seed: int) -> tuple[Question, ...]:
    """At most `limit` questions: types in turn, and within a type its closed and open, yes and no ones.

    The order is the turns' order, so every prefix is balanced as well. The same arguments give the same
    sample.
    """
    order = np.random.default_rng([seed, 4]).permutation(len(questions))
    types: dict[str, dict[str, list[Question]]] = {}
    for index in order:
        question = questions[index]
        types.setdefault(question.question_type, {}).setdefault(_stratum(question), []).append(question)
    queues = [_in_turn([strata[key] for key in sorted(strata)]) for _, strata in sorted(types.items())]
    return tuple(_in_turn(queues)[:limit])


def _stratum(question: Question) -> str:
    answer = question.answer.lower()
    return f"{question.answer_type} {answer if answer in ('yes', 'no') else ''}"


def _in_turn(queues: list[list[Question]]) -> list[Question]:
    """The first of each queue, then the second of each that has one, and so on."""
    longest = max((len(queue) for queue in queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)]
