"""The rule-based writer's minimal edit: a wrong answer mended, or a right one made false, term by term.

It stands in for a language model, and is named so wherever it does. It changes clinical terms and their
negation and leaves the rest as it is; what it made is for the caller to check against the truth.
"""

import re

import numpy as np

from training.pairs.rule_judge import is_right, named_options, options_of
from training.pairs.spans import words
from zoo.lexicon import (
    Contradiction,
    Found,
    alternatives,
    assert_denied,
    contradictions,
    facts,
    find_terms,
    replace,
)
from zoo.records import Question

_SHORT = 5
"""At most so many words may be replaced as a whole, where nothing in them can be."""
_ARTICLE = re.compile(r"(?i)\b(an?|some)\s+((?:[\w-]+\s+){0,2})$")


def leading_clause(question: Question, text: str) -> str:
    """`text`, or of a yes or no that goes on ("Yes, there is a mass") that word alone: what follows would
    deny an edited one."""
    places = words(text)
    if len(places) > 1 and text[slice(*places[0])].lower() in ("yes", "no") and _yes_no(question):
        return text[slice(*places[0])]
    return text


def edit(question: Question, text: str, seed: int) -> tuple[bool, str | None]:
    """Whether `text` is right, and the text that is not: mended if wrong, made false if right; None where
    the rules find nothing to edit."""
    right = is_right(question, text)
    rng = np.random.default_rng(seed)
    if options_of(question):
        others = [o for o in options_of(question) if o.strip().lower() != question.answer.strip().lower()]
        if right and not others:
            return right, None
        new = others[int(rng.integers(len(others)))] if right else question.answer
        return right, _with_option(question, text, new)
    return right, _made_false(question.answer, text, rng) if right else _mended(question, text)


def _yes_no(question: Question) -> bool:
    return {option.lower() for option in options_of(question)} == {"yes", "no"}


def _with_option(question: Question, text: str, new: str) -> str | None:
    """`text` with the option that it names replaced; of a short text that names none or several, all."""
    named = named_options(question, text)
    places = words(text)
    alone = not _yes_no(question) or any(place in (places[0], places[-1]) for _, place in named)
    if len({option for option, _ in named}) == 1 and alone:
        for _, (start, end) in reversed(named):
            text = text[:start] + _cased(new, text[start:end]) + text[end:]
        return text
    return new if len(places) <= _SHORT else None


def _mended(question: Question, text: str) -> str | None:
    """`text` with each term that the truth contradicts replaced by the truth's."""
    found = contradictions(question.answer, text)
    for wrong in reversed(found):
        text = _agree(text, wrong)
    if found:
        return text
    short = question.answer_type != "report" and len(words(text)) <= _SHORT
    return question.answer if short else None


def _agree(text: str, wrong: Contradiction) -> str:
    """`text` with one contradiction less; unchanged if its negation covers other findings too."""
    said, term = wrong.answer, wrong.truth
    if said.negated == term.negated:
        return replace(text, said, term.term[0])
    if term.negated:
        return _deny(text, said)
    if sum(other.cue == said.cue for other in find_terms(text)) > 1:
        return text
    if said.term != term.term:
        text = replace(text, said, term.term[0])
    return next((assert_denied(text, f) for f in find_terms(text) if f.start == said.start and f.cue), text)


def _deny(text: str, found: Found) -> str:
    """`text` with "no" before that finding, in place of its article."""
    before = text[: found.start]
    if match := _ARTICLE.search(before):
        no = "No" if match[1][0].isupper() else "no"
        return f"{before[: match.start()]}{no} {match[2]}{text[found.start :]}"
    return f"{before}no {text[found.start :]}" if before.strip() else f"No {text[0].lower()}{text[1:]}"


def _made_false(truth: str, text: str, rng: np.random.Generator) -> str | None:
    """`text` with one fact that the truth states swapped, or one denial turned round; every mention."""
    true = [f for f in find_terms(text) if f.group.name != "answer" and fact(f) in facts(truth)]
    terms = list({fact(f): f for f in true}.values())
    for number in rng.permutation(len(terms)):
        term = terms[int(number)]
        others = alternatives(term)
        new = others[int(rng.integers(len(others)))] if others else ""
        edited = text
        for mention in reversed([f for f in true if fact(f) == fact(term)]):
            if mention.negated:
                edited = assert_denied(edited, mention)
            elif new:
                edited = replace(edited, mention, new)
        if contradictions(truth, edited):
            return edited
    return None


def fact(found: Found) -> tuple[str, str]:
    """What one term states, as `zoo.lexicon.facts` has it."""
    return found.group.name, f"no {found.term[0]}" if found.negated else found.term[0]


def _cased(new: str, like: str) -> str:
    """`new` with the capital, or none, of `like`; codes such as MRI stay."""
    if like[:1].isupper():
        return new[:1].upper() + new[1:]
    return new[:1].lower() + new[1:] if new[1:].islower() else new
