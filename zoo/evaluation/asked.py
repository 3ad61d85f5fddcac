"""What is put to the models: each question with the pictures that it is shown, in batches that never change.

A batch is the same rows whenever the same evaluation is run, interrupted or not, because the last digits of
a row's log-probs follow from its batch. Questions about one picture are near each other. Pure functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zoo.records import Question, Shown

PICTURES = 128
"""Pictures whose questions are sorted together: about so many are held at once."""


@dataclass(frozen=True)
class Asked:
    """A question, and the keys of the pictures that are shown with it."""

    question: Question
    shown: Shown
    pictures: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, Shown, str]:
        """What tells it from all others of an evaluation."""
        return self.question.dataset, self.question.split, self.shown, self.question.id


def in_batches(asked: Sequence[Asked], size: int, *, length: Callable[[str], int]) -> list[tuple[Asked, ...]]:
    """Batches of `size` questions each, the last one fewer.

    Those that are shown the same pictures, up to `PICTURES` of them, come together; among them like answers
    and prompts of one `length` in tokens, which can be run together.
    """
    places: dict[str, int] = {}
    for one in asked:
        for key in one.pictures:
            places.setdefault(key, len(places))
    blocks: dict[int, list[Asked]] = {}
    for one in asked:
        blocks.setdefault(places[one.pictures[0]] // PICTURES, []).append(one)
    lengths = {prompt: length(prompt) for prompt in {one.question.prompt for one in asked}}

    def alike(one: Asked) -> tuple[str, int, str, int]:
        q = one.question
        return q.answer_type, lengths[q.prompt], q.question_type, places[one.pictures[0]]

    order = []
    for number, block in sorted(blocks.items()):
        order += sorted(block, key=alike, reverse=number % 2 == 1)  # so that neighbouring blocks fit together
    return [tuple(order[start : start + size]) for start in range(0, len(order), size)]
