"""Whole answers for a batch of rows, each with its own image, prompt, adapter slot and sampling."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.asking import Finish
from zoo.vlm.decode import Decoding, Row
from zoo.vlm.model import VisionLanguageModel


@dataclass(frozen=True)
class Generated:
    """One answer, how many tokens it took, the end of turn included, and why it ended."""

    text: str
    tokens: int
    finish: Finish


def generate(vlm: VisionLanguageModel, rows: Sequence[Row]) -> list[Generated]:
    """Answers, one a row, in the rows' order.

    Raises:
        BadInput: as `Decoding`, or the bank has no adapter in a row's slot.
    """
    texts, tokens = [""] * len(rows), [0] * len(rows)
    finishes: list[Finish] = ["stop"] * len(rows)
    decoding = Decoding(vlm, rows)
    while decoding.open:
        for piece in decoding.step():
            texts[piece.row] += piece.text
            tokens[piece.row] = piece.tokens
            finishes[piece.row] = piece.finish or finishes[piece.row]
    return [Generated(*of_row) for of_row in zip(texts, tokens, finishes, strict=True)]
