"""How much of a report's wording is the truth's: BLEU, ROUGE-L and METEOR, by the libraries of these names.

Words alone: a report with every side swapped scores almost as much as the true one. For reports only, since a
question answered in one word has no wording to compare. The libraries (extra `evaluate`) are loaded when a
report is scored.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from zoo.evaluation.metrics import Floats, Metric, Statistics, of_value
from zoo.evaluation.metrics._library import library
from zoo.evaluation.metrics._wordnet import STEP, wordnet
from zoo.evaluation.metrics.vqa import words
from zoo.records import Prediction, Verdict

ORDER = 4
"""The longest run of words that BLEU counts."""


def bleu_statistics(prediction: Prediction, verdict: Verdict | None = None) -> Statistics:
    """What one report adds to corpus BLEU, as sacrebleu counts it: for runs of 1 to 4 words, how many are the
    truth's and how many there are; then the words of the report and of the truth. Ten numbers."""
    score = _bleu().sentence_score(prediction.answer, [prediction.truth])
    return (*map(float, score.counts), *map(float, score.totals), float(score.sys_len), float(score.ref_len))


def bleu_of(sums: Floats, *, order: int) -> Floats:
    """Corpus BLEU over runs of 1 to `order` words: sums (..., 10) to (...), from 0 to 1.

    Papineni et al. 2002: the geometric mean of the precisions, times exp(1 - truth / report) where the
    reports are shorter in all than the truths. Not smoothed: 0 where no run of some length is the truth's,
    and where there is no word.
    """
    found, there = sums[..., :order], sums[..., ORDER : ORDER + order]
    length, wanted = sums[..., -2], sums[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(there > 0, found / there, 0.0)
        brevity = np.minimum(1.0, np.exp(1 - wanted / length))
        value = brevity * np.exp(np.log(precision).mean(axis=-1))
    return np.asarray(np.where((wanted > 0) & (length > 0), value, 0.0))


def mean_of_orders(values: Sequence[Floats]) -> Floats:
    """The plain mean of BLEU-1 to BLEU-4, which is what Zhu et al. 2025 call BLEU."""
    return np.asarray(np.mean(values, axis=0))


def bleu(sums: Floats) -> Floats:
    """The mean of corpus BLEU-1 to BLEU-4: sums (..., 10) to (...)."""
    return mean_of_orders([bleu_of(sums, order=n) for n in range(1, ORDER + 1)])


def rouge_l(prediction: Prediction) -> float:
    """F-measure of the longest common subsequence of words (Lin 2004), as rouge-score counts it."""
    return float(_rouge().score(prediction.truth, prediction.answer)["rougeL"].fmeasure)


def meteor(prediction: Prediction) -> float:
    """Words matched by form, stem or WordNet's synonyms, less for scattered ones (Lavie and Agarwal 2007).

    As nltk has it: it looks synonyms up by the stem, so those of a word whose stem is no word are not seen.
    """
    score = library("nltk.translate.meteor_score").single_meteor_score
    return float(score(words(prediction.truth), words(prediction.answer), wordnet=wordnet()))


def _report(question: Prediction) -> bool:
    return question.answer_type == "report"


@cache
def _bleu() -> Any:
    return library("sacrebleu.metrics.bleu").BLEU(lowercase=True, tokenize="13a", effective_order=True)


@cache
def _rouge() -> Any:
    return library("rouge_score.rouge_scorer").RougeScorer(["rougeL"])


def _of_bleu(name: str, about: str, combine: Callable[[Floats], Floats], *, usual: bool = False) -> Metric:
    return Metric(
        name=name,
        about=f"{about}, over all reports together; lower case, tokens of sacrebleu's 13a, not smoothed.",
        source="Papineni et al. 2002, by sacrebleu",
        applies=_report,
        statistics=bleu_statistics,
        combine=combine,
        usual=usual,
        needs="sacrebleu",
    )


METRICS = (
    _of_bleu("bleu", "Mean of BLEU-1 to BLEU-4 (as Zhu et al. 2025)", bleu, usual=True),
    *(_of_bleu(f"bleu{n}", f"BLEU-{n}", partial(bleu_of, order=n)) for n in range(1, ORDER + 1)),
    Metric(
        name="rouge_l",
        about="Mean F-measure of the longest common subsequence; lower-case letters and digits, not stemmed.",
        source="Lin 2004, by rouge-score",
        applies=_report,
        statistics=of_value(rouge_l),
        needs="rouge-score",
    ),
    Metric(
        name="meteor",
        about="METEOR: words matched by form, stem or synonym; lower case, alpha 0.9, beta 3, gamma 0.5.",
        source="Lavie and Agarwal 2007, by nltk",
        applies=_report,
        statistics=of_value(meteor),
        usual=False,
        needs=f"nltk, and WordNet: {STEP}",
    ),
)
