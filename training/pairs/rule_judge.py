"""The rule-based judge: whether an answer is right, and a grade from 0 to 5, by the truth and the lexicon.

It stands in for a model that judges, and is named so wherever it does. It knows the truth and sees no image;
of an open answer it sees words and clinical terms, not sense.
"""

import re

from zoo.lexicon import contradictions, facts
from zoo.records import Question, Span

JUDGE = "rule-based judge 1"
BEST = 5.0
_YES_NO = ("Yes", "No")
_WORD = re.compile(r"\w+(?:[-/.]\w+)*")


def options_of(question: Question) -> tuple[str, ...]:
    """The answers that a question may take; yes and no if the truth is one of them; empty if it is open."""
    if question.options:
        return question.options
    return _YES_NO if _words(question.answer) in (["yes"], ["no"]) else ()


def named_options(question: Question, answer: str) -> list[tuple[str, Span]]:
    """The options that an answer names and where: of yes and no the first, of others every longest one."""
    options = options_of(question)
    found = [
        (option, match.span())
        for option in options
        for match in re.finditer(rf"(?i)(?<![\w-]){re.escape(option)}(?![\w-])", answer)
    ]
    if {option.lower() for option in options} == {"yes", "no"}:
        return sorted(found, key=lambda named: named[1])[:1]
    return [
        (option, (start, end))
        for option, (start, end) in found
        if not any(s <= start and end <= e and e - s > end - start for _, (s, e) in found)
    ]


def is_right(question: Question, answer: str) -> bool:
    """Whether an answer is right.

    With options: it names the true one and no other. Without: it conflicts with nothing, and holds the
    truth's words in a row or at least one of its clinical facts.
    """
    if options_of(question):
        named = {option.lower() for option, _ in named_options(question, answer)}
        return named == {question.answer.strip().lower()}
    if conflicts(question, answer):
        return False
    truth, said = _words(question.answer), _words(answer)
    in_a_row = any(said[i : i + len(truth)] == truth for i in range(len(said) - len(truth) + 1))
    return bool(truth) and (in_a_row or bool(facts(question.answer) & facts(answer)))


def conflicts(question: Question, answer: str) -> bool:
    """Whether an answer without options contradicts the truth, or, unless it is a report, states something
    beside a true fact that excludes it: "left or right" is no answer to a question for the side."""
    if contradictions(question.answer, answer):
        return True
    truth = facts(question.answer)
    groups = {group for group, _ in truth & facts(answer)}
    beside = {group for group, term in facts(answer) - truth if not term.startswith("no ")}
    return question.answer_type != "report" and bool(groups & beside)


def grade(question: Question, answer: str) -> float:
    """0 to 5. With options 5 or 0. Without: the share of the truth's clinical facts that the answer states,
    less one fact for each contradiction; of a truth without such facts, F1 of the words.
    """
    if options_of(question):
        return BEST * is_right(question, answer)
    truth = facts(question.answer)
    if truth:
        held = len(truth & facts(answer)) - len(contradictions(question.answer, answer))
        return BEST * max(held, 0) / len(truth)
    one, other = set(_words(question.answer)), set(_words(answer))
    return BEST * 2 * len(one & other) / (len(one) + len(other)) if one or other else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
