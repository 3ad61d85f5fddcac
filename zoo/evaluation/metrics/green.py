"""GREEN: findings that a chest X-ray report shares with the truth, against its clinically significant errors.

Ostmeier et al. 2024. The reply (task `green`) has sections under headings in brackets, of which two are read:

    [Clinically Significant Errors]:
    (a) False report of a finding: 2. One; another.
    (b) Missing a finding: 0.
    [Matched Findings]:
    3. One; another; a third.

GREEN = matched / (matched + significant errors of the six kinds (a) to (f)), 0 where nothing matches; the
mean over reports. A section may say "No ..." or "None" for none. Stricter than the released parser, which
takes a missing section or number for 0: such a reply is counted as failed. Cutting the texts to 300 words is
the judge's. Whether the reply is true to the reports is not known here.

It is made for chest X-rays alone, so it is for reports of IU-Xray and MIMIC-CXR, and for those whose question
or truth names an X-ray, no other modality, and the chest or an organ of it.
"""

import re
from dataclasses import dataclass

from zoo.evaluation.metrics import Metric, Statistics
from zoo.lexicon import find_terms
from zoo.records import Prediction, Verdict

KINDS = "abcdef"
_HEADING = re.compile(r"^[\s*#]*\[([^\]\n]+)\][:*]*", re.MULTILINE)
_NONE = re.compile(r"(?:no|none|n/a)\b", re.IGNORECASE)
_ERROR = re.compile(r"^\W*\(([a-f])\)(?:[^:\n]*:)?[ \t]*(.*)$", re.MULTILINE)
_COUNT = re.compile(r"(\d{1,4})(?:\.(?!\d)|[ \t]*(?:\n|$))")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a reply counts in one report."""

    matched: int
    errors: tuple[int, ...]
    """Clinically significant ones of the kinds (a) to (f)."""


def counts(reply: str) -> Counts | None:
    """The counts of a reply; None if it lacks a section or a number, or gives a section or a kind twice."""
    parts = _HEADING.split(reply)[1:]
    bodies = zip(parts[::2], parts[1::2], strict=True)
    sections = {name.strip().lower(): body.strip() for name, body in bodies}
    if 2 * len(sections) != len(parts):
        return None
    matched = _number(sections.get("matched findings", ""))
    errors = _errors(sections.get("clinically significant errors", ""))
    return None if matched is None or errors is None else Counts(matched=matched, errors=errors)


def green(found: Counts) -> float:
    """The score of one report, from 0 to 1."""
    return found.matched / (found.matched + sum(found.errors)) if found.matched else 0.0


def _errors(section: str) -> tuple[int, ...] | None:
    if _NONE.match(section):
        return (0,) * len(KINDS)
    found = [(kind, _number(said)) for kind, said in _ERROR.findall(section)]
    by_kind = {kind: number for kind, number in found if number is not None}
    if not found or len(by_kind) != len(found):
        return None
    return tuple(by_kind.get(kind, 0) for kind in KINDS)


def _number(said: str) -> int | None:
    count = _COUNT.match(said)
    if count:
        return int(count.group(1))
    return 0 if _NONE.match(said) else None


def is_chest_xray(question: Prediction) -> bool:
    """Whether a question is about a chest X-ray, by its data set or by the terms of prompt and truth."""
    if question.dataset.lower().replace("_", "-") in ("iu-xray", "mimic-cxr"):
        return True
    text = f"{question.prompt}\n{question.truth}"
    found = find_terms(text)
    modalities = {f.term[0] for f in found if f.group.name == "modality"}
    chest = re.search(r"\b(?:chest|CXR|thorax|thoracic)\b", text, re.IGNORECASE)
    return modalities == {"x-ray"} and bool(chest or any(f.group.name == "chest organ" for f in found))


def _statistics(prediction: Prediction, verdict: Verdict | None) -> Statistics | None:
    assert verdict is not None
    found = counts(verdict.reply)
    return None if found is None else (green(found), 1.0)


METRICS = (
    Metric(
        name="green",
        about="Chest X-ray reports: shared findings over shared findings and clinically significant errors.",
        source="Ostmeier et al. 2024, arXiv 2405.03595",
        applies=lambda question: question.answer_type == "report" and is_chest_xray(question),
        statistics=_statistics,
        task="green",
    ),
)
