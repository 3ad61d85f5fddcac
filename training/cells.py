"""A branch of a pair as it is put to the model: what is shown, asked and answered. Knows no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.grid import Branch
from training.objective import Missing
from zoo.records import PreferencePair, Reward, Span


@dataclass(frozen=True)
class Cell:
    """What is shown, asked and answered."""

    images: tuple[str, ...]
    prompt: str
    response: str | None
    """None for the question itself; a model may answer with an empty text."""


def cell_of(pair: PreferencePair, branch: Branch, missing: Mapping[Branch, Missing]) -> Cell | None:
    """What the branch is for this pair; None where the pair lacks it and the objective skips it."""
    images, response = pair.images, pair.chosen
    if branch is Branch.QUESTION:
        return Cell(images, pair.prompt, None)
    if branch.on_rejected_image:
        if pair.rejected_images is None and missing[branch] == "skip":
            return None
        images = pair.rejected_images or pair.images  # read_pair_set refused what may not be missing
    if branch.of_rejected_response:
        if pair.rejected is None and missing[branch] == "skip":
            return None
        response = pair.chosen if pair.rejected is None else pair.rejected
    return Cell(images, pair.prompt, response)


def spans_of(pair: PreferencePair, branch: Branch) -> tuple[Span, ...]:
    """The spans of the branch's response."""
    of_rejected = branch.of_rejected_response and pair.rejected is not None
    return (pair.rejected_spans if of_rejected else pair.chosen_spans) or ()


def tokens_in(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[bool]:
    """For each token, at characters `offsets`, whether it touches one of the spans."""
    return [any(start < last and end > first for first, last in spans) for start, end in offsets]


def token_rewards(offsets: Sequence[tuple[int, int]], rewards: Sequence[Reward]) -> list[float]:
    """For each token, at characters `offsets`, the reward of the first part that it touches, else 0."""
    return [
        next((reward for first, last, reward in rewards if start < last and end > first), 0.0)
        for start, end in offsets
    ]
