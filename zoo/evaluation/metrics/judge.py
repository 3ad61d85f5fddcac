"""What a judge says of an answer in a word or number: whether it is right, how much it matters clinically."""

from zoo.evaluation.metrics import Metric, Statistics
from zoo.evaluation.metrics._reply import json_in
from zoo.records import Prediction, Verdict


def says_correct(reply: str) -> bool | None:
    """A reply to `correct`: `true` or `false` in any case, or {"correct": true}; None for anything else."""
    found = json_in(reply.strip().rstrip(".").lower())
    if isinstance(found, dict) and found.keys() == {"correct"}:
        found = found["correct"]
    return found if isinstance(found, bool) else None


def relevance(reply: str) -> float | None:
    """A reply to `relevance`: {"relevance": x} with x from 0 to 1; None for anything else."""
    found = json_in(reply)
    if not isinstance(found, dict) or found.keys() != {"relevance"}:
        return None
    grade = found["relevance"]
    if isinstance(grade, bool) or not isinstance(grade, int | float) or not 0 <= grade <= 1:
        return None
    return float(grade)


def _correct_statistics(prediction: Prediction, verdict: Verdict | None) -> Statistics | None:
    assert verdict is not None
    said = says_correct(verdict.reply)
    return None if said is None else (float(said), 1.0)


def _relevance_statistics(prediction: Prediction, verdict: Verdict | None) -> Statistics | None:
    assert verdict is not None
    grade = relevance(verdict.reply)
    return None if grade is None else (grade, 1.0)


METRICS = (
    Metric(
        name="judge_accuracy",
        about="Share of open answers that a judge calls right, given question and truth.",
        source="FiRe-MPO, arXiv 2606.12590",
        applies=lambda question: question.answer_type == "open",
        statistics=_correct_statistics,
        task="correct",
    ),
    Metric(
        name="clinical_relevance",
        about="Mean of a judge's grade, 0 to 1, of how much what the answer states matters to the clinic.",
        source="after Zhu et al. 2025, arXiv 2412.06141, who grade the rejected responses of training so",
        applies=lambda question: question.answer_type != "closed",
        statistics=_relevance_statistics,
        task="relevance",
        percent=False,
    ),
)
