"""Whether an answer is right: closed ones by word or option, open ones by words, reports by facts."""

import re
from collections import Counter
from collections.abc import Sequence

from zoo.evaluation.metrics import Metric, of_value
from zoo.lexicon import facts
from zoo.records import Prediction

_WORD = re.compile(r"\w+(?:[-/.]\w+)*")
_YES_NO = re.compile(r"(?<![\w/-])(?:yes|no)(?![\w/-])", re.IGNORECASE)
"""As a word of its own, a missing space after a full stop or not: "Yes.The lung", but not "no-contrast"."""


def words(text: str) -> list[str]:
    """Lower-cased words of a text, without punctuation."""
    return _WORD.findall(text.lower())


def correct(prediction: Prediction) -> float:
    """1 for a right answer, else 0, by the rule of its answer type; the mean of it is the accuracy."""
    if prediction.answer_type == "closed":
        return closed_correct(prediction)
    if prediction.answer_type == "open":
        return float(words(prediction.answer) == words(prediction.truth))
    return report_correct(prediction)


def closed_correct(prediction: Prediction) -> float:
    """Closed questions: the first whole-word yes or no of the answer, or the one option that it names.

    An answer that names no option, or several, is wrong.
    """
    truth = words(prediction.truth)
    answer = words(prediction.answer)
    if truth in (["yes"], ["no"]):
        said = _YES_NO.search(prediction.answer)
        return float(said is not None and [said[0].lower()] == truth)
    if prediction.options:
        named = {option for one in prediction.options if _holds(answer, option := tuple(words(one)))}
        longest = {o for o in named if not any(o != p and _holds(p, o) for p in named)}
        return float(longest == {tuple(truth)})
    return float(answer == truth)


def open_recall(prediction: Prediction) -> float:
    """Share of the truth's words that the answer holds (Zhu et al. 2025, MMedPO)."""
    truth = set(words(prediction.truth))
    return len(truth & set(words(prediction.answer))) / len(truth) if truth else 0.0


def open_f1(prediction: Prediction) -> float:
    """Harmonic mean of precision and recall of words, each counted as often as it stands there (Rajpurkar et
    al. 2016, SQuAD; on our words, articles among them). Two texts without words agree."""
    truth, answer = words(prediction.truth), words(prediction.answer)
    if not truth or not answer:
        return float(truth == answer)
    return 2 * (Counter(truth) & Counter(answer)).total() / (len(truth) + len(answer))


def legacy_substring(prediction: Prediction) -> float:
    """The rule of LLaVA-Med's evaluation: the letters of yes or no stand somewhere in the answer, and those
    of the truth too. The "no" inside "nodule" counts, and "Yes, there is no doubt" is right both ways.
    """
    truth, answer = prediction.truth.strip().lower(), prediction.answer.lower()
    return float(("yes" in answer or "no" in answer) and truth in answer)


def report_correct(prediction: Prediction) -> float:
    """Reports: the answer names the same clinical terms as the truth, none missing, none extra.

    The terms are the lexicon's, as a set: enough for a report of at most one finding. It does not see which
    term goes with which, nor what a negation covers; a report whose truth holds no term counts as wrong.
    """
    truth = facts(prediction.truth)
    return float(bool(truth) and facts(prediction.answer) == truth)


def _holds(text: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the words of `part` stand in `text` in a row."""
    return any(tuple(text[i : i + len(part)]) == tuple(part) for i in range(len(text) - len(part) + 1))


METRICS = (
    Metric(
        name="accuracy",
        about="Right answers: closed by yes or no or option, open by the same words, reports by terms.",
        source="ours",
        applies=lambda question: True,
        statistics=of_value(correct),
    ),
    Metric(
        name="open_recall",
        about="Share of the truth's words that the answer holds.",
        source="Zhu et al. 2025, arXiv 2412.06141",
        applies=lambda question: question.answer_type != "closed",
        statistics=of_value(open_recall),
    ),
    Metric(
        name="open_f1",
        about="F1 of the answer's words against the truth's, each counted as often as it stands there.",
        source="Rajpurkar et al. 2016, arXiv 1606.05250",
        applies=lambda question: question.answer_type == "open",
        statistics=of_value(open_f1),
    ),
    Metric(
        name="legacy_substring",
        about='Right closed answers by letters, "no" inside "nodule" too: only to compare with old numbers.',
        source="Li et al. 2023, LLaVA-Med, arXiv 2306.00890",
        applies=lambda question: question.answer_type == "closed",
        statistics=of_value(legacy_substring),
        usual=False,
    ),
)
