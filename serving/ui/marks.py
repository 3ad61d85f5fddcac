"""Which words of an answer another text does not say there. Pure."""

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import groupby

_PARTS = re.compile(r"\s+|\S+")
_AROUND = ".,;:!?()[]\"'"


def marked(text: str, against: Mapping[str, Sequence[str]]) -> str:
    """The text as HTML. A word that fewer than half of the texts under a name say there is in a
    `<mark data-not="name ...">`, with every such name; case and punctuation are no difference."""
    parts = _PARTS.findall(text)
    spoken = [number for number, part in enumerate(parts) if not part.isspace()]
    words = [_bare(parts[number]) for number in spoken]
    names: dict[int, list[str]] = {number: [] for number in spoken}
    for name, others in against.items():
        said = [0] * len(words)
        for other in others:
            match = SequenceMatcher(
                a=[_bare(word) for word in other.split()], b=words, autojunk=False
            ).get_matching_blocks()
            for block in match:
                for place in range(block.b, block.b + block.size):
                    said[place] += 1
        for number, count in zip(spoken, said, strict=True):
            if 2 * count < len(others):
                names[number].append(name)
    for number in range(1, len(parts) - 1):  # a space between two words of one kind is of it too
        if number not in names and names[number - 1] == names[number + 1]:
            names[number] = names[number - 1]
    pieces = []
    for kind, run in groupby(range(len(parts)), key=lambda number: " ".join(names.get(number, []))):
        piece = escape("".join(parts[number] for number in run))
        pieces.append(f'<mark data-not="{kind}">{piece}</mark>' if kind else piece)
    return "".join(pieces)


def _bare(word: str) -> str:
    return word.lower().strip(_AROUND) or word
