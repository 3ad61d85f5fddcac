"""What a base's tokens are for: which end an answer, which texts are markers, which are never said.

Knows no weights; what a base says of its tokens is held against the tokenizer that came with the checkpoint.
"""

from collections.abc import Mapping
from typing import Any

from zoo.bases import Base
from zoo.errors import BadDeclaration


def check_tokens(base: Base, vocabulary: Mapping[str, int], *, image: tuple[str, int]) -> None:
    """Raise BadDeclaration where the tokenizer lacks a token that matters, or has the image token elsewhere
    than the model's configuration; `image` is its text and its id there."""
    if missing := [token for token in (*base.tokens, *base.ends, image[0]) if token not in vocabulary]:
        raise BadDeclaration(f"the tokenizer of {base.name} lacks the token {missing[0]!r}")
    if (found := vocabulary[image[0]]) != image[1]:
        raise BadDeclaration(
            f"the tokenizer of {base.name} has {image[0]!r} at {found}, its config.json at {image[1]}"
        )


def end_ids(base: Base, vocabulary: Mapping[str, int], *, usual: int) -> tuple[int, ...]:
    """Ids that end an answer, the one of training first; `usual` where the base names none."""
    return tuple(vocabulary[token] for token in base.ends) or (usual,)


def markers(base: Base, tokenizer: Any) -> tuple[str, ...]:
    """Texts that no question and no response may hold: the special tokens, and those that the base names."""
    added = tokenizer.added_tokens_decoder.values()
    return (*(str(token) for token in added if token.special), *base.markers)


def never_said(vocabulary: Mapping[str, int], *, rows: int, image: int) -> list[int]:
    """Rows of a vocabulary that no answer may hold: that of the image token, and those that no token has.

    Nothing taught the model what these rows weigh, least of all one that was added in a conversion: an answer
    with one is no text, and an image token in it stands for no feature.
    """
    return sorted({*range(rows)} - {*vocabulary.values()} | {image})
