"""Only the keywords of one error type change: targeted pairs (Kim et al. 2026, section 5 and appendix E).

`made_by["target"]` says what: the error type, the lexicon's group, what the truth says (`was`) and what the
rejected response says (`now`), as first spellings. Of a closed yes/no question the term lies in the question:
the answer that says no leaves its side empty, since it names nothing.

A language model, where there is one, swaps the terms of open answers and reports; closed ones need no
writing. Its reply may change nothing else. The rules draw the new term from those that the data set's own
answers hold, where there is another of the kind, else from the lexicon; they do not know which go together,
so a rewrite can read oddly ("the left liver").
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, get_args

import numpy as np

from training.pairs.hallucinate import WRITER, Rewrite
from training.pairs.prompts import prompt
from training.pairs.rule_judge import options_of
from training.pairs.spans import same_text
from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.lexicon import Found, Term, broader, find_terms, replace
from zoo.llm import Failed, TextModel
from zoo.records import ErrorType, Question

Target = Literal["any", "MM", "AM", "SLC", "LAS"]
ASPECTS: Mapping[ErrorType, str] = {
    "MM": "the imaging modality",
    "AM": "the anatomical structure",
    "SLC": "the side or position",
    "LAS": "the exact place within an organ",
}
_NONE = "no term of the target error type"
_Spoken = Mapping[str, Mapping[Term, str]]


@dataclass(frozen=True)
class _Swap:
    """One way to make the truth false in one error type."""

    found: Found
    was: str
    now: str
    rejected: str


@dataclass(frozen=True)
class SwapTarget:
    """The rejected response is the truth with the terms of one error type changed."""

    error_type: Target = "any"
    """`any`: one of the types that the question is about, drawn by the pair's seed."""

    makes: ClassVar[tuple[Part, ...]] = ("rejected",)
    needs_policy: ClassVar[bool] = False

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        spoken = _spoken(_texts(tools.questions.questions))
        found: list[Draft | Dropped] = [self._by_rules(draft, spoken) for draft in drafts]
        if tools.writer is None:
            return found
        # What the rules chose to swap, the writer swaps in its own way.
        aimed = {n: d for n, d in enumerate(found) if isinstance(d, Draft) and not options_of(d.question)}
        for n, draft in zip(aimed, _by_model([*aimed.values()], tools.writer), strict=True):
            found[n] = draft
        return found

    def _by_rules(self, draft: Draft, spoken: _Spoken) -> Draft | Dropped:
        rng = np.random.default_rng(draft.seed)
        declared = draft.question.error_types or get_args(ErrorType)  # not a term named in passing
        wanted: Sequence[ErrorType] = declared if self.error_type == "any" else (self.error_type,)
        swaps = {kind: _swaps(draft, kind, spoken) for kind in wanted}
        kinds = [kind for kind in wanted if swaps[kind]]
        if not kinds:
            return Dropped(draft, _NONE)
        kind = kinds[int(rng.integers(len(kinds)))]
        # First the term, then what it becomes: a term with many alternatives is not drawn more often.
        terms = list(dict.fromkeys(swap.found.term for swap in swaps[kind]))
        term = terms[int(rng.integers(len(terms)))]
        ways = [swap for swap in swaps[kind] if swap.found.term == term]
        swap = ways[int(rng.integers(len(ways)))]
        target = {"error_type": kind, "group": swap.found.group.name, "was": swap.was, "now": swap.now}
        return draft.having({"writer": WRITER, "target": target}, rejected=swap.rejected)


def _swaps(draft: Draft, kind: ErrorType, spoken: _Spoken) -> list[_Swap]:
    """Every swap of the error type that the draft allows."""
    options = options_of(draft.question)
    if {option.strip().lower() for option in options} == {"yes", "no"}:
        return _of_yes_no(draft, options, kind)
    return _of_options(draft, options, kind) if options else _of_text(draft, kind, spoken)


def _of_yes_no(draft: Draft, options: Sequence[str], kind: ErrorType) -> list[_Swap]:
    """The other answer, if the question names a term of the type."""
    other = next(option for option in options if not same_text(option, draft.chosen))
    yes = same_text(draft.chosen, "yes")
    return [
        _Swap(f, was=f.term[0] if yes else "", now="" if yes else f.term[0], rejected=other)
        for f in _of_type(draft.prompt, kind)
    ]


def _of_options(draft: Draft, options: Sequence[str], kind: ErrorType) -> list[_Swap]:
    """The other options that name another term of the same type."""
    found = _of_type(draft.chosen, kind)
    return [
        _Swap(found[0], was=found[0].term[0], now=others[0].term[0], rejected=option)
        for option in options
        if found and (others := _of_type(option, kind)) and others[0].term != found[0].term
    ]


def _of_text(draft: Draft, kind: ErrorType, spoken: _Spoken) -> list[_Swap]:
    """Every mention of one term becomes another of its family, or the broad parent of a fine place."""
    text = draft.chosen
    swaps = []
    for found in {f.term: f for f in reversed(_of_type(text, kind))}.values():
        if kind == "LAS" and broader(found):
            swaps.append(_Swap(found, found.term[0], broader(found), _swapped(text, found, broader(found))))
            continue
        held = {term: said for term, said in spoken.get(_family(found), {}).items() if term != found.term}
        for term, said in (held or {t: t[0] for t in found.group.terms if t != found.term}).items():
            bare = same_text(text, text[found.start : found.end])
            rejected = said if bare and held else _swapped(text, found, term[0])
            swaps.append(_Swap(found, found.term[0], term[0], rejected))
    return swaps


def _by_model(drafts: Sequence[Draft], writer: TextModel) -> list[Draft | Dropped]:
    """The writer's swap of the error types that the drafts aim at, checked to change nothing else."""
    kinds: list[ErrorType] = [draft.made_by["target"]["error_type"] for draft in drafts]
    asked = [
        prompt(
            "swap_target",
            question=draft.prompt,
            truth=draft.chosen,
            error_type=kind,
            aspect=ASPECTS[kind],
            terms=list(dict.fromkeys(draft.chosen[f.start : f.end] for f in _of_type(draft.chosen, kind))),
        )
        for draft, kind in zip(drafts, kinds, strict=True)
    ]
    found: list[Draft | Dropped] = []
    for draft, kind, said, reply in zip(drafts, kinds, asked, writer.replies(asked, Rewrite), strict=True):
        if isinstance(reply, Failed):
            found.append(Dropped(draft, f"writer: {reply.reason}"))
            continue
        text = reply.answer.strip()
        changed = _changed(draft.chosen, text, kind)
        if same_text(text, draft.chosen):
            found.append(Dropped(draft, "writer repeated the truth"))
        elif changed is None:
            found.append(Dropped(draft, "more than the target changed"))
        else:
            was, now = changed
            target = {"error_type": kind, "group": was.group.name, "was": was.term[0], "now": now}
            found.append(
                draft.having({"writer": f"{writer.name} {said.id}", "target": target}, rejected=text)
            )
    return found


def _changed(truth: str, text: str, kind: ErrorType) -> tuple[Found, str] | None:
    """The first term of the type that a rewrite changed, and into what; None if it changed anything else."""
    was, now = _of_type(truth, kind), _of_type(text, kind)
    for found in was:
        if kind == "LAS" and broader(found) and same_text(_swapped(truth, found, broader(found)), text):
            return found, broader(found)
    if len(was) != len(now) or _without(truth, was) != _without(text, now):
        return None
    swapped = [(a, b) for a, b in zip(was, now, strict=True) if a.term != b.term]
    return (swapped[0][0], swapped[0][1].term[0]) if swapped else None


def _without(text: str, terms: Sequence[Found]) -> str:
    """A text with those terms left out, every `an` as an `a`, since articles follow the terms."""
    for found in reversed(terms):
        text = f"{text[: found.start]}_{text[found.end :]}"
    return " ".join(re.sub(r"\ban\b", "a", text.lower()).strip(" .").split())


def _swapped(text: str, found: Found, new: str) -> str:
    """Every mention of the term replaced, from the end, so that places stay right."""
    for mention in reversed(find_terms(text)):
        if mention.term == found.term:
            text = replace(text, mention, new)
    return text


def _of_type(text: str, kind: ErrorType) -> list[Found]:
    return [found for found in find_terms(text) if kind in found.group.error_types]


def _family(found: Found) -> str:
    return found.group.family or found.group.name


def _texts(questions: Sequence[Question]) -> tuple[str, ...]:
    return tuple(sorted({question.answer for question in questions}))


@lru_cache(maxsize=4)
def _spoken(texts: tuple[str, ...]) -> _Spoken:
    """The terms that these texts hold, by family, each as it is spelled most often where it stands alone."""
    spelled: dict[str, dict[Term, Counter[str]]] = {}
    for text in texts:
        for found in find_terms(text):
            alone = same_text(text, text[found.start : found.end])
            spellings = spelled.setdefault(_family(found), {}).setdefault(found.term, Counter())
            spellings[text if alone else found.term[0]] += 1 if alone else 0
    return {
        family: {term: count.most_common(1)[0][0] for term, count in sorted(terms.items())}
        for family, terms in spelled.items()
    }
