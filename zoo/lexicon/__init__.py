"""Clinical terms by error type, their alternatives and their negation: to find, compare and swap them.

A text in which nothing is found is reported as such by whoever asked. It reads words, not sentences: which
side goes with which finding it does not know, and only findings are read as negated.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from zoo.lexicon.negation import negations, opposite
from zoo.lexicon.terms import GROUPS as GROUPS
from zoo.lexicon.terms import NAMES
from zoo.lexicon.terms import Group as Group
from zoo.lexicon.terms import Term as Term
from zoo.records import ErrorType


@dataclass(frozen=True)
class Found:
    """A term in a text, at characters `start` to `end`."""

    group: Group
    term: Term
    start: int
    end: int
    cue: tuple[int, int] | None = None
    """Characters of the "no" or "without" that negates it; only findings are read as negated."""

    @property
    def negated(self) -> bool:
        """Whether the text says that it is not there."""
        return self.cue is not None


@dataclass(frozen=True)
class Contradiction:
    """Two terms that cannot both hold: one of the truth, one of an answer."""

    truth: Found
    """Where it stands in the truth."""
    answer: Found
    """Where it stands in the answer."""


_NEGATABLE = ("finding", "abnormality")


def find_terms(text: str) -> list[Found]:
    """Every clinical term of `text` from left to right; the longest spelling wins, none overlap.

    "No" is a term only where it is an answer ("No", "No, it is ..."), not where it negates a finding.
    """
    pattern, owners = _pattern()
    scopes = negations(text)
    found = []
    for match in pattern.finditer(text):
        if _key(match.group()) not in owners:
            continue  # a name
        group, term = owners[_key(match.group())]
        start, end = match.span()
        if group.name == "answer" and any(s <= start < e for (s, e), _ in scopes):
            continue
        over = (cue for cue, (first, last) in scopes if first <= start and end <= last)
        cue = next(over, None) if group.name in _NEGATABLE else None
        found.append(Found(group, term, start, end, cue))
    return found


def facts(text: str) -> frozenset[tuple[str, str]]:
    """What a text states, as (group, first spelling) pairs, `no effusion` for what it denies: to compare two
    texts by content."""
    return frozenset((f.group.name, f"no {f.term[0]}" if f.negated else f.term[0]) for f in find_terms(text))


def contradictions(truth: str, answer: str) -> list[Contradiction]:
    """The terms of `answer` that cannot hold if `truth` does, from left to right, each once.

    - A term that the truth lacks, where the truth holds another of the same group or family that the answer
      lacks: `left` against `right`, `kidney` against `liver`, `yes` against `no`. What the truth does not
      speak of contradicts nothing, and nor does a finding that stands beside a right one.
    - A finding with the opposite negation: `no effusion` against `effusion`; and any finding against `no
      abnormality`, either way round.
    - A lobe or quadrant also says its side: `left` against `RUL`.

    `found.answer.start` and `.end` are characters of `answer`, those of `found.truth` of `truth`.
    """
    said, heard = find_terms(truth), find_terms(answer)
    lobed = [any(f.group.broad for f in texts) for texts in (said, heard)]
    if lobed[0] != lobed[1]:  # one text names the lobe, the other perhaps only its side
        said, heard = [*said, *_sides(said)], [*heard, *_sides(heard)]
    found = {f.start: Contradiction(t, f) for t, f in [*_denied(said, heard), *_replaced(said, heard)]}
    return [found[start] for start in sorted(found)]


def _denied(said: Sequence[Found], heard: Sequence[Found]) -> Iterable[tuple[Found, Found]]:
    """Findings of the answer with the opposite negation, beside the truth's."""
    for f in (f for f in heard if f.group.name in _NEGATABLE):
        same = [t for t in said if t.term == f.term]
        if same and all(t.negated != f.negated for t in same):
            yield same[0], f
        elif not same and f.group.name == "finding" and not f.negated:
            none = [t for t in said if t.group.name == "abnormality" and t.negated]
            if none and not any(t.group.name == "finding" and not t.negated for t in said):
                yield none[0], f
        elif not same and f.group.name == "abnormality" and f.negated:
            there = [t for t in said if t.group.name == "finding" and not t.negated]
            if there:
                yield there[0], f


def _replaced(said: Sequence[Found], heard: Sequence[Found]) -> Iterable[tuple[Found, Found]]:
    """Terms of the answer in place of others of their family that the truth holds."""
    for family in dict.fromkeys(_family(f) for f in heard):
        ours = {t.term: t for t in reversed(said) if _family(t) == family and not t.negated}
        theirs = dict.fromkeys(f.term for f in heard if _family(f) == family and not f.negated)
        known = {t.term for t in said}
        missing = [t for t in sorted(ours.values(), key=lambda t: t.start) if t.term not in theirs]
        extra = [term for term in theirs if term not in known]
        for f in heard:
            if missing and f.term in extra and not f.negated:
                yield missing[min(extra.index(f.term), len(missing) - 1)], f


def _sides(found: Iterable[Found]) -> list[Found]:
    """The sides that lobes and quadrants name, at their characters."""
    side = next(group for group in GROUPS if group.name == "side")
    terms = {term[0]: term for term in side.terms}
    return [
        Found(side, terms[word], f.start, f.end)
        for f in found
        if f.group.broad and (word := f.term[-1].split()[0]) in terms
    ]


def alternatives(found: Found) -> list[str]:
    """First spellings of the other terms of the group."""
    return [term[0] for term in found.group.terms if term is not found.term]


def broader(found: Found) -> str:
    """The broad parent of a fine place, such as `right lung` of `RLL`; empty where there is none."""
    return found.group.broad[found.group.terms.index(found.term)] if found.group.broad else ""


def replace(text: str, found: Found, new: str) -> str:
    """`text` with that term replaced by `new`, the first spelling of another of its group.

    A side that is part of a lobe's or quadrant's name changes the name: `RUL` becomes `LUL`.

    Keeps the form (plural, adjective, abbreviation) where both terms have it, a capital at a sentence's
    beginning, and mends an article before it.
    """
    was = text[found.start : found.end]
    _, owners = _pattern()
    old = owners[_key(was)][1]
    if old is not found.term:  # a side within a name
        new = old[-1].replace(found.term[0], new)
        new = owners[new][1][0] if new in owners else new
    spellings = owners[_key(new)][1] if _key(new) in owners else ()
    if spellings and spellings[0] == new and len(spellings) == len(old):
        form = [_key(spelling) for spelling in old].index(_key(was))
        new = spellings[form]
    begins = text[: found.start].rstrip()[-1:] in ("", ".", "!", "?")
    if begins and was[0].isupper():
        new = new[:1].upper() + new[1:]
    before = re.sub(r"\b([Aa])n? $", lambda m: f"{m[1]}{_n(new)} ", text[: found.start])
    return before + new + text[found.end :]


def assert_denied(text: str, found: Found) -> str:
    """`text` with the negation of that finding turned into its opposite: `No cyst` becomes `A cyst`.

    Raises:
        ValueError: the finding is not negated.
    """
    if found.cue is None:
        raise ValueError(f"{text[found.start : found.end]!r} is not negated")
    start, end = found.cue
    was = text[start:end]
    now = opposite(was)
    if not now:
        plural = re.search(r"(?<![su])s$", text[found.start : found.end])
        now = "some" if plural else f"a{_n(text[end:].lstrip())}"
    return text[:start] + (now[:1].upper() + now[1:] if was[0].isupper() else now) + text[end:]


def error_types(texts: Sequence[str]) -> tuple[ErrorType, ...]:
    """The error types whose terms the texts hold, in the order MM, AM, SLC, LAS."""
    held = {kind for text in texts for f in find_terms(text) for kind in f.group.error_types}
    order: tuple[ErrorType, ...] = ("MM", "AM", "SLC", "LAS")
    return tuple(kind for kind in order if kind in held)


def _family(found: Found) -> str:
    return found.group.family or found.group.name


def _n(noun: str) -> str:
    """The n of the indefinite article before that noun."""
    first = noun.partition(" ")[0]
    if first.isupper() and len(first) > 1:
        return "n" if first[0] in "AEFHILMNORSX" else ""
    return "n" if first.lower().startswith(("a", "e", "i", "o", "ul", "up", "x-")) else ""


def _key(spelling: str) -> str:
    """Capitals matter for codes such as CT, US and T1 only where they would be words."""
    return spelling if spelling == "US" else spelling.lower()


@cache
def _pattern() -> tuple[re.Pattern[str], dict[str, tuple[Group, Term]]]:
    owners: dict[str, tuple[Group, Term]] = {}
    for group in GROUPS:
        for term in group.terms:
            for spelling in term:
                owners[_key(spelling)] = (group, term)
    spellings = sorted([*owners, *NAMES], key=len, reverse=True)
    body = "|".join(s if s == "US" else f"(?i:{re.escape(s)})" for s in spellings)
    return re.compile(rf"(?<![\w-])(?:{body})(?![\w-])"), owners
