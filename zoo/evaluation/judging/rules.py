"""The rule-based judge: a stand-in for a language model, quick, free and the same every time.

It knows the lexicon's terms and no sense. What it is blind to: findings that the lexicon lacks; which place
or side goes with which finding ("left nodule, right effusion" holds the terms of its opposite); other words
for the same thing; degrees of doubt; comparisons with earlier studies. It believes an answer that only lists
terms. So its verdicts tell adapters apart where the texts are short and of the lexicon's kind, as phantom's
are; for reports ask a language model, and compare the two with `medzoo agreement`.
"""

import json
import re
from collections.abc import Sequence

from zoo.evaluation.judging.judge import Case, Facts
from zoo.evaluation.metrics.vqa import closed_correct, words
from zoo.lexicon import Found, contradictions, facts, find_terms
from zoo.records import Prediction, Task

VERSION = 1
"""Of all rules here: raised with any change of what they say."""
_CUT = re.compile(
    r"(?<=[.!?])\s+|\n|;|,?\s+(?:but|however,?|although|while|whereas)\s+|,\s+and\s+|\s+and\s+(?=(?:there|no|the|an?)\s)",
    re.IGNORECASE,
)
"""Between sentences, and between clauses of which each states something."""
_FINDINGS = ("finding", "abnormality")


class Rules:
    """See the module."""

    def name(self, task: Task) -> str:
        return f"rules {task}@{VERSION}"

    def split(self, predictions: Sequence[Prediction]) -> list[Facts | None]:
        return [clauses(p.truth) for p in predictions]

    def replies(self, task: Task, cases: Sequence[Case]) -> list[str]:
        rule = {"correct": _correct, "facts": _labels, "relevance": _relevance, "green": _green}[task]
        return [rule(case) for case in cases]


def clauses(text: str) -> Facts:
    """Sentences and clauses of a text, each once, without the stop; what has no word is none."""
    parts = (part.strip(" \t.,:!?") for part in _CUT.split(text))
    return tuple(dict.fromkeys(part for part in parts if words(part) and not part.isdigit()))


def label(fact: str, answer: str) -> str:
    """What the answer says of a fact.

    Contradiction where a term of the answer cannot hold with the fact; else Entailment if the answer states
    all of the fact's clinical terms, Partial Entailment if some, Neutral if none. A fact without such terms
    is entailed if its words stand in the answer in a row.
    """
    if contradictions(fact, answer):
        return "Contradiction"
    stated, heard = facts(fact), facts(answer)
    if not stated:
        return "Entailment" if _in_a_row(fact, answer) else "Neutral"
    if stated <= heard:
        return "Entailment"
    return "Partial Entailment" if stated & heard else "Neutral"


def _labels(case: Case) -> str:
    return json.dumps(
        [f"{n}. {label(fact, case.prediction.answer)}" for n, fact in enumerate(case.facts, start=1)]
    )


def _correct(case: Case) -> str:
    """Closed: by yes or no, or the option. Else the answer contradicts nothing, and has the truth's words in
    a row or all of its clinical terms."""
    p = case.prediction
    if p.answer_type == "closed":
        return json.dumps(bool(closed_correct(p)))
    truth = facts(p.truth)
    states = _in_a_row(p.truth, p.answer) or (bool(truth) and truth <= facts(p.answer))
    return json.dumps(states and not contradictions(p.truth, p.answer))


def _relevance(case: Case) -> str:
    """The share of the answer's clinical terms that are of a kind which question or truth speak of; 0 for an
    answer without such terms."""
    p = case.prediction
    asked = {_kind(f) for text in (p.prompt, p.truth) for f in find_terms(text)}
    said = [_kind(f) in asked for f in find_terms(p.answer)]
    return json.dumps({"relevance": round(sum(said) / len(said), 2) if said else 0.0})


def _green(case: Case) -> str:
    """Findings of the two reports compared as sets, asserted and denied ones apart; places and sizes by what
    contradicts. Every error counts as significant; comparisons are not seen."""
    p = case.prediction
    truth, said = ({t for g, t in facts(text) if g in _FINDINGS} for text in (p.truth, p.answer))
    against = [c.answer for c in contradictions(p.truth, p.answer)]
    errors = {
        "(a) False finding": sorted(t for t in said - truth if not t.startswith("no ")),
        "(b) Missing finding": sorted(t for t in truth - said if not t.startswith("no ")),
        "(c) Wrong place": [f.term[0] for f in against if {"SLC", "AM"} & set(f.group.error_types)],
        "(d) Wrong severity": [f.term[0] for f in against if f.group.name == "size"],
        "(e) False comparison": [],
        "(f) Missing comparison": [],
    }
    return "\n".join(
        [
            "[Clinically Significant Errors]:",
            *(f"{kind}: {_counted(found)}" for kind, found in errors.items()),
            "",
            "[Clinically Insignificant Errors]:",
            *(f"{kind}: 0." for kind in errors),
            "",
            "[Matched Findings]:",
            _counted(sorted(truth & said)),
        ]
    )


def _counted(found: Sequence[str]) -> str:
    return f"{len(found)}. {'; '.join(found)}".strip()


def _kind(found: Found) -> str:
    return found.group.family or found.group.name


def _in_a_row(part: str, text: str) -> bool:
    """Whether the words of `part` stand in `text` in a row."""
    return bool(words(part)) and f" {' '.join(words(part))} " in f" {' '.join(words(text))} "
