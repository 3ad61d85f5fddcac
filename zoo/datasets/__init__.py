"""The data sets the zoo knows: one file each, found by listing this folder; one way to load any.

A file declares `DATASET = Dataset(...)`; files that begin with `_` are helpers of several. Questions come
without their images; a question set opens an image when it is asked for. It knows no model and no metric.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import PIL.Image

from zoo.discovery import declared
from zoo.errors import BadImage, BadInput, BadRecord, HubError, UnknownName
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


GroupOf = Callable[[str], str]
"""A key of the picture of that name, the same for all that may be of one patient."""


def no_regions(name: str) -> tuple[Region, ...]:
    """The regions of any picture of a data set that marks none."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Given:
    """A rejected response that comes with the data set, and its weight if it has one."""

    rejected: str
    weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a data set's reader found of one split."""

    questions: tuple[Question, ...]
    """All questions of the split, in a fixed order."""
    open_image: OpenImage
    """The picture that a question names; raises BadImage for one that is missing or broken."""
    regions: FindRegions = no_regions
    group_of: GroupOf | None = None
    """None: which pictures may be of one patient is not known."""
    given: Mapping[str, Given] = field(default_factory=dict)
    """Rejected responses that came with the questions, by question id."""
    notes: tuple[str, ...] = ()
    """What was left out, how the split was made, what leaks: for a verb to print."""
    license: str = ""
    """The licence of this split where it is not the data set's."""
    publishable: bool | None = None
    restricted: bool | None = None
    """These two where they are not the data set's."""


@dataclass(frozen=True)
class HubSource:
    """A data set's repo on a Hub, pinned."""

    repo: str
    revision: str
    """Full commit."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set: its splits, its terms, and how to read it."""

    splits: tuple[str, ...]
    license: str
    publishable: bool = True
    """Whether pairs and pictures derived from it may be published."""
    restricted: bool = False
    """Whether its texts must not reach a third party."""
    about: str
    risks: tuple[str, ...]
    """Whom it leaves out, what a model may wrongly learn of it, what it may tell of patients: a sentence
    each, for cards."""
    sample: int | None = None
    """Questions that pairs are made of unless more are asked for; None: all."""
    layout: str = ""
    """What the folder given with --data-dir holds; empty for a data set that needs no folder."""
    source: HubSource | None = None
    """Where on a Hub its files lie in that layout, if it may be taken from there."""
    read: Callable[[Path, str], Contents]
    """A split out of the folder; a data set without a layout does not look at the folder."""
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
    group_of: GroupOf | None = None
    """None: which pictures may be of one patient is not known."""
    given: Mapping[str, Given] = field(default_factory=dict)
    """Rejected responses that came with the questions, by question id."""
    known: tuple[Question, ...] = ()
    """All questions of the split, with those that a limit left out: what is known of its pictures."""
    notes: tuple[str, ...] = ()
    """What was left out of the split, how it was made, what leaks: for a verb to print."""

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
    found = declared(__name__, __path__, "DATASET", Dataset)
    return {name: replace(dataset, name=name) for name, dataset in found.items()}


def get_dataset(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in datasets():
        raise UnknownName("data set", name, datasets())
    return datasets()[name]


def load_questions(
    name: str, split: str, *, limit: int | None = None, seed: int = 0, data_dir: Path | None = None
) -> QuestionSet:
    """The questions of a split, or a seeded sample of at most `limit` in which question types are even.

    `data_dir` holds the data set in its own layout; without it the data set is taken from its Hub repo.

    Raises:
        UnknownName: no data set of that name, or it has no such split.
        BadInput: the data set has no Hub repo and no folder was given, a file is missing from the folder,
            or the split holds no question.
        HubError: the Hub does not answer, or does not have it.
        BadRecord: a record that is not what its layout promises; the message names it.
    """
    dataset = get_dataset(name)
    if split not in dataset.splits:
        raise UnknownName(f"split of {name}", split, dataset.splits)
    found = dataset.read(_folder_of(dataset, data_dir), split)
    twice = [key for key, count in Counter(q.id for q in found.questions).items() if count > 1]
    if twice:
        raise BadRecord(f"{name}/{split}: {twice[0]} is the id of several records")
    if not found.questions:
        raise BadInput(
            f"{name}/{split} holds no question" + (f" in {data_dir}" if data_dir else ""),
            hint="; ".join((f"its splits: {', '.join(dataset.splits)}", *found.notes)),
        )
    questions = found.questions if limit is None else balanced_sample(found.questions, limit, seed=seed)
    notes = found.notes
    if len(questions) < len(found.questions):
        notes = (*notes, f"a sample of {len(questions)} of its {len(found.questions)} questions, types even")
    first = {image: question.id for question in reversed(questions) for image in question.images}
    return QuestionSet(
        name=name,
        split=split,
        license=found.license or dataset.license,
        publishable=dataset.publishable if found.publishable is None else found.publishable,
        restricted=dataset.restricted if found.restricted is None else found.restricted,
        questions=questions,
        open_image=_naming_records(found.open_image, first),
        regions=_naming_records(found.regions, first),
        group_of=found.group_of,
        given={q.id: found.given[q.id] for q in questions if q.id in found.given},
        known=found.questions,
        notes=notes,
    )


def _folder_of(dataset: Dataset, data_dir: Path | None) -> Path:
    if not dataset.layout:
        if data_dir is not None:
            raise BadInput(f"{dataset.name} needs no folder, so {data_dir} was not read")
        return Path()
    if data_dir is not None:
        if not data_dir.is_dir():
            raise BadInput(f"no such folder: {data_dir}", hint=f"it is to hold {dataset.layout}")
        return data_dir
    if dataset.source is None:
        raise BadInput(
            f"{dataset.name} cannot be fetched, so its folder must be given",
            hint=f"--data-dir FOLDER, which holds {dataset.layout}",
        )
    from zoo.datasets._fetch import fetch_files  # the Hub's client is slow to import

    try:
        return fetch_files(dataset.name, dataset.source.repo, dataset.source.revision)
    except HubError as error:
        hint = f"set HF_ENDPOINT to a Hub that has it, or --data-dir FOLDER, which holds {dataset.layout}"
        raise type(error)(error.message, hint=hint) from error


Found = TypeVar("Found")


def _naming_records(find: Callable[[str], Found], first: Mapping[str, str]) -> Callable[[str], Found]:
    """`find`, with the first record that names the picture in the message of a BadImage."""

    def found(name: str) -> Found:
        try:
            return find(name)
        except BadImage as error:
            record = first.get(name, name)
            raise type(error)(f"{record}: {error.message}", hint=error.hint) from error

    return found


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
