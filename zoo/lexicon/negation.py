"""What a text denies: cues such as "no" and "without", and how far each reaches.

It reads commas and a few turning words, no grammar.
"""

import re

Span = tuple[int, int]

_BEFORE = {
    "no evidence of": "evidence of", "without evidence of": "with evidence of",
    "no sign of": "a sign of", "no signs of": "signs of", "without": "with", "absence of": "presence of",
    "negative for": "positive for", "free of": "with", "not a": "a", "not an": "an", "no": "",
}  # fmt: skip
"""What negates the findings after it, and what says the opposite; "no" becomes an article."""
_AFTER = {
    "not seen": "seen", "not present": "present", "not identified": "identified", "not visible": "visible",
    "not evident": "evident", "not observed": "observed", "absent": "present", "ruled out": "seen",
}  # fmt: skip
"""What negates the findings before it, and what says the opposite."""

_CLAUSE = re.compile(r"(?:[^.;:!?\n]|\.(?=\w))+")
_TURN = re.compile(r"\b(?:but|however|although|though|except|there (?:is|are)|and (?:the|an?))\b", re.I)
_CUES_BEFORE = re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(_BEFORE, key=len, reverse=True))})(?![\w-])", re.I)
_CUES_AFTER = re.compile(rf"(?<![\w-])(?:{'|'.join(_AFTER)})(?![\w-])", re.I)


def opposite(cue: str) -> str:
    """What says the opposite of a cue: `with` of `without`; empty for `no`, which becomes an article."""
    return {**_BEFORE, **_AFTER}[" ".join(cue.lower().split())]


def negations(text: str) -> list[tuple[Span, Span]]:
    """Each negating cue and the characters that it covers: to the clause's end or to a comma that begins
    something else than the next of a list joined by "or"."""
    found = []
    for clause in _CLAUSE.finditer(text):
        first, last = clause.span()
        for cue in _CUES_BEFORE.finditer(text, first, last):
            if re.match(r"\s*(?:,|$)", text[cue.end() : last]):
                continue  # an answer: "No", "No, it is ..."
            turn = _TURN.search(text, cue.end(), last)
            pieces = text[cue.end() : turn.start() if turn else last].split(",")
            joined = [n for n, piece in enumerate(pieces) if re.search(r"\b(?:or|nor)\b", piece)]
            covered = ",".join(pieces[: joined[-1] + 1 if joined else 1])
            found.append((cue.span(), (cue.end(), cue.end() + len(covered))))
        for cue in _CUES_AFTER.finditer(text, first, last):
            found.append((cue.span(), (max(first, text.rfind(",", first, cue.start())), cue.start())))
    return found
