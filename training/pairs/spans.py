"""Texts by their words: whether two are the same, and places in them as character offsets, such as words,
sentences, the clause that answers, where two texts differ.

It knows words and punctuation, and nothing of their meaning.
"""

import re
from difflib import SequenceMatcher

from zoo.records import Span

_CLAUSE_WORDS = (5, 13)
"""Length of an answer clause in words, least and most; the most as in FiRe-MPO's pairs for questions."""
_WORD = re.compile(r"\w+(?:[-/.']\w+)*")
_SENTENCE = re.compile(r"\S(?:.*?[.!?](?=\s|$)|.*)")
_BOUNDARY = re.compile(r"[,;:](?=\s)")


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same but for case, blanks and the last full stop."""
    return " ".join(one.lower().strip(" .").split()) == " ".join(other.lower().strip(" .").split())


def words(text: str) -> list[Span]:
    """The words of a text, without punctuation; `3.5`, `T2-weighted` and `AP/PA` are one word each."""
    return [match.span() for match in _WORD.finditer(text)]


def sentences(text: str) -> list[Span]:
    """The sentences of a text: each ends with its stop, or with its line."""
    return [match.span() for match in _SENTENCE.finditer(text) if _WORD.search(match.group())]


def answer_clause(text: str) -> str:
    """The first sentence; of a long one the clauses that make 5 to 13 words, or else the fewest beyond."""
    first = next((text[start:end] for start, end in sentences(text)), "")
    least, most = _CLAUSE_WORDS
    if len(words(first)) <= most:
        return first
    cuts = [(len(words(first[: cut.start()])), cut.start()) for cut in _BOUNDARY.finditer(first)]
    within = [end for count, end in cuts if least <= count <= most]
    beyond = [end for count, end in cuts if count > most]
    return first[: within[-1] if within else beyond[0] if beyond else len(first)]


def divergent_spans(one: str, other: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Where two texts differ, by a diff of their words without regard to case; two empty tuples if nowhere.

    A word that only one text has is marked together with its neighbour, so that each text has a span for
    every difference, if it has a word at all. Spans are in order and do not overlap or touch.
    """
    places = words(one), words(other)
    lowered = (
        [one[start:end].lower() for start, end in places[0]],
        [other[start:end].lower() for start, end in places[1]],
    )
    blocks: list[list[int]] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(
        None, lowered[0], lowered[1], autojunk=False
    ).get_opcodes():
        if tag == "equal":
            continue
        if i == i_end or j == j_end:  # widened to the next word, which both have, or to the one before
            last = i_end == len(lowered[0]) and j_end == len(lowered[1])
            i, j = max(i - last, 0), max(j - last, 0)
            i_end, j_end = min(i_end + (not last), len(lowered[0])), min(j_end + (not last), len(lowered[1]))
        if blocks and i <= blocks[-1][1] and j <= blocks[-1][3]:
            blocks[-1][1], blocks[-1][3] = i_end, j_end
        else:
            blocks.append([i, i_end, j, j_end])
    return (
        tuple((places[0][i][0], places[0][i_end - 1][1]) for i, i_end, _, _ in blocks if i < i_end),
        tuple((places[1][j][0], places[1][j_end - 1][1]) for _, _, j, j_end in blocks if j < j_end),
    )
