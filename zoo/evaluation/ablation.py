"""The same questions with other pictures: with noise in their place, and with another patient's.

What accuracy is left then is not owed to the image. Which questions are asked again and what they are shown
follows from the seed and the pictures alone. Knows no model and no score.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from PIL import Image

from zoo.datasets import QuestionSet, balanced_sample
from zoo.records import Question

Names = tuple[str, ...]
"""The pictures of a question, by name."""
_SEED = 7
"""Beside the user's, so that no other use of that one draws the same."""


def noise_like(image: Image.Image, digest: str) -> Image.Image:
    """A picture of the image's size in which every value is drawn anew, evenly from 0 to 255: nothing of the
    image is left. `digest`, the sha256 of its pixels, is the seed. Mode L for a picture of mode L, else RGB.
    """
    shape = (image.height, image.width, *(() if image.mode == "L" else (3,)))
    values = np.random.default_rng(int(digest, 16)).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values)


def asked_again(questions: QuestionSet, count: int, *, seed: int) -> tuple[Question, ...]:
    """At most `count` of the questions asked, balanced by type."""
    return balanced_sample(questions.questions, count, seed=seed) if count else ()


def others(
    asked: Iterable[Names], of_one_patient: Sequence[Callable[[str], str]], *, seed: int
) -> Mapping[Names, Names]:
    """For each question's pictures as many of another patient, out of those that other questions are about.

    Pictures go together for which one of the functions `of_one_patient` gives the same. Where none differ, it
    is left out. Each is the next one that fits in a shuffle, so that all are shown about equally often.
    """
    distinct = sorted(set(asked))
    order = [distinct[i] for i in np.random.default_rng([seed, _SEED]).permutation(len(distinct))]
    groups = {
        names: {(n, key(name)) for name in names for n, key in enumerate(of_one_patient)} for names in order
    }
    found: dict[Names, Names] = {}
    for place, names in enumerate(order):
        for other in (*order[place + 1 :], *order[:place]):
            if len(other) == len(names) and groups[names].isdisjoint(groups[other]):
                found[names] = other
                break
    return found


def ablation_notes(questions: QuestionSet, *, noise: int, other: int) -> list[str]:
    """What was asked again, and what could not be."""
    if not noise:
        return []
    notes = [
        f"image ablation: {noise} questions asked again with noise, {other} with another patient's picture"
    ]
    if other < noise:
        notes.append(f"image ablation: for {noise - other} questions there is no picture of another patient")
    if other and questions.group_of is None:
        notes.append(
            "image ablation: which pictures are of one patient is not known; another picture was taken"
        )
    return notes
