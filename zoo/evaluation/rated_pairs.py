"""Ratings by experts and the answers that they rated -> preference pairs. It knows no file and no model.

Of each two answers to a question the one that raters rank higher is chosen: by the mean rank over those who
ranked both, and only where none of them ranks them the other way round. Every pair of answers counts, as in
Ouyang et al. 2022 (arXiv 2203.02155, section 3.5). A pair's weight is how badly the rejected answer misreads
the image. Which questions are one case, and which word of a rater counts, `zoo.evaluation.rated_cases` says.
"""

import statistics
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from zoo.errors import BadInput
from zoo.evaluation.rated_cases import opinions
from zoo.records import Prediction, PreferencePair, Rating, Severity

SCALE: Mapping[Severity, float] = {"none": 0.25, "minor": 0.5, "severe": 1.0}
"""What a rater's word on the rejected answer weighs: each step of severity counts twice the one below. It is
ours, as no paper states one. An answer without a misunderstanding keeps a quarter, since raters did rank it
lower, if only for how it says things; at 0 such a pair would be lost."""
REFERENCE = "reference"
"""In the place of an adapter where the true answer is chosen."""
EMPTY = "an answer is empty"
SEVERE = "a rater calls the better answer a severe misunderstanding too"
SAME = "both are the same words, up to space around them"
SPLIT = "raters are split"
TIED = "tied by every rater"
UNJUDGED = "nobody judged the rejected answer"
UNRANKED = "no rater ranked both"
NO_TRUTH = "no true answer is known"
NO_FAULT = "no rater saw a misunderstanding in the worst answer"
ALREADY = "an answer in the words of the true one is chosen over the worst already"
_Key = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """One text, who said it, and what each rater says of it."""

    text: str
    adapters: tuple[str, ...]
    ranks: Mapping[str, int]
    severities: Mapping[str, Severity]

    def weight(self, scale: Mapping[Severity, float]) -> float:
        return statistics.fmean(scale[one] for one in self.severities.values())

    def of(self, rater: str) -> dict[str, Any]:
        return {"rank": self.ranks.get(rater), "severity": self.severities.get(rater)}


def pairs_of(
    ratings: Sequence[Rating],
    predictions: Sequence[Prediction],
    *,
    scale: Mapping[Severity, float] = SCALE,
    reference: bool = False,
) -> tuple[list[PreferencePair], dict[str, int]]:
    """The pairs, in the order of the predictions' questions, and how many more there could have been, by the
    reason why they are not.

    A pair's weight is the mean over raters of `scale` of the severity of its rejected answer. An answer that
    any rater calls severe is never chosen: it would be learnt as the better one. With `reference` each
    question gives one pair more, its true answer over the answer with the worst mean rank, unless nobody saw
    a misunderstanding in that. Questions that show and ask the same are one, by the name of the first, and
    raters count there with what they said first.

    Raises:
        BadInput: an answer was rated that is not among the predictions, a weight that cannot be, or see
            `zoo.evaluation.rated_cases.opinions`.
    """
    if sorted(scale) != sorted(SCALE) or not all(0 <= weight <= 1 for weight in scale.values()):
        raise BadInput(
            f"the weights are {dict(scale)}", hint="one from 0 to 1 for each of none, minor and severe"
        )
    told = opinions(ratings)
    if strange := sorted({_key(one.rating) for one in told} - set(map(_key, predictions))):
        raise BadInput(f"the question {'/'.join(strange[0])} was rated, and its answers are not here")
    of_case: dict[Hashable, _Key] = {}
    name = {_key(one.rating): of_case.setdefault(one.case, _key(one.rating)) for one in told}
    asked: dict[_Key, list[Prediction]] = {}
    for p in predictions:
        asked.setdefault(name.get(_key(p), _key(p)), []).append(p)
    rated: dict[_Key, list[Rating]] = {}
    for one in told:
        if one.time == 0:
            rated.setdefault(name[_key(one.rating)], []).append(one.rating)
    pairs: list[PreferencePair] = []
    left_out: Counter[str] = Counter()
    for key, said in asked.items():
        answers = _answers(said, rated.get(key, ()))
        found: list[tuple[str, tuple[str, ...], _Answer, Mapping[str, Any]]] = []
        for two in combinations(answers, 2):
            chosen, rejected, why = _preferred(*two)
            if why:
                left_out[why] += 1
                continue
            raters = sorted(set(chosen.ranks) & set(rejected.ranks))
            of = {rater: {"chosen": chosen.of(rater), "rejected": rejected.of(rater)} for rater in raters}
            found.append((chosen.text, chosen.adapters, rejected, of))
        if reference and answers:
            worst, why = _worst(answers, said[0].truth, scale)
            if worst and (said[0].truth.strip(), worst) in [(chosen, one) for chosen, _, one, _ in found]:
                worst, why = None, ALREADY
            if worst is None:
                left_out[why] += 1
            else:
                of = {rater: {"rejected": worst.of(rater)} for rater in sorted(worst.severities)}
                found.append((said[0].truth.strip(), (REFERENCE,), worst, of))
        pairs += [_pair(said[0], number, *one, scale) for number, one in enumerate(found, start=1)]
    return pairs, dict(sorted(left_out.items()))


def _answers(said: Sequence[Prediction], ratings: Sequence[Rating]) -> list[_Answer]:
    """The different texts that were rated, in the predictions' order."""
    by_text: dict[str, list[Prediction]] = {}
    for p in said:
        by_text.setdefault(p.answer_sha256, []).append(p)
    if any(r.answer_sha256 not in by_text for r in ratings):
        raise BadInput(f"an answer to {said[0].question_id} was rated that is not here")
    found = []
    for sha256, same in by_text.items():
        ours = [r for r in ratings if r.answer_sha256 == sha256]
        if ours:
            found.append(
                _Answer(
                    text=same[0].answer.strip(),
                    adapters=tuple(dict.fromkeys(p.adapter for p in same)),
                    ranks={r.rater: r.rank for r in ours if r.rank is not None},
                    severities={r.rater: r.misunderstanding for r in ours if r.misunderstanding is not None},
                )
            )
    return found


def _preferred(one: _Answer, other: _Answer) -> tuple[_Answer, _Answer, str]:
    """The better and the worse, and why they are no pair; empty if they are one."""
    gaps = [one.ranks[rater] - other.ranks[rater] for rater in sorted(set(one.ranks) & set(other.ranks))]
    if not gaps:
        return one, other, UNRANKED
    if min(gaps) < 0 < max(gaps):
        return one, other, SPLIT
    if not any(gaps):
        return one, other, TIED
    chosen, rejected = (one, other) if min(gaps) < 0 else (other, one)
    if not (chosen.text and rejected.text):
        return chosen, rejected, EMPTY
    if chosen.text == rejected.text:
        return chosen, rejected, SAME
    if not rejected.severities:
        return chosen, rejected, UNJUDGED
    return chosen, rejected, SEVERE if "severe" in chosen.severities.values() else ""


def _worst(
    answers: Sequence[_Answer], truth: str, scale: Mapping[Severity, float]
) -> tuple[_Answer | None, str]:
    """The answer with the worst mean rank, of several such the one that misreads the image most; or why there
    is none."""
    if not truth.strip():
        return None, NO_TRUTH
    judged = [one for one in answers if one.severities and one.ranks and one.text]
    if not judged:
        return None, UNJUDGED
    worst = max(judged, key=lambda one: (statistics.fmean(one.ranks.values()), one.weight(scale)))
    if set(worst.severities.values()) == {"none"}:
        return None, NO_FAULT
    return (None, SAME) if worst.text == truth.strip() else (worst, "")


def _pair(
    of: Prediction,
    number: int,
    chosen: str,
    by: tuple[str, ...],
    rejected: _Answer,
    raters: Mapping[str, Any],
    scale: Mapping[Severity, float],
) -> PreferencePair:
    return PreferencePair(
        id=f"{of.dataset}/{of.split}/{of.question_id}/{number}",
        question_id=of.question_id,
        images=of.images,
        prompt=of.prompt,
        chosen=chosen,
        rejected=rejected.text,
        weight=round(rejected.weight(scale), 6),
        made_by={
            "writer": "raters' ranks",
            "weighed_by": ", ".join(f"{severity} {scale[severity]:g}" for severity in SCALE),
            "chosen_by": list(by),
            "rejected_by": list(rejected.adapters),
            "raters": dict(raters),
        },
    )


def _key(of: Prediction | Rating) -> _Key:
    return of.dataset, of.split, of.question_id
