"""Closed answers by the old rule, open answers by words. The other rules are in test_score.py."""

from collections.abc import Callable

import pytest

from zoo.evaluation.metrics import get_metric
from zoo.evaluation.metrics.vqa import closed_correct, legacy_substring, open_f1
from zoo.records import Prediction


@pytest.mark.parametrize(
    ("text", "truth", "old", "ours"),
    [
        ("A nodule is seen", "No", 1.0, 0.0),  # n-o-dule
        ("Yes, there is no doubt", "No", 1.0, 0.0),
        ("Yes, there is no doubt", "Yes", 1.0, 1.0),
        ("not seen", "yes", 0.0, 0.0),
        ("None", "no", 1.0, 0.0),
        ("left", "left", 0.0, 1.0),  # neither yes nor no stands in it
        ("No, the left", "left", 1.0, 0.0),
    ],
)
def test_the_old_rule_counts_letters_where_ours_counts_words(
    answer: Callable[..., Prediction], text: str, truth: str, old: float, ours: float
) -> None:
    given = answer(text, truth, "closed")
    assert (legacy_substring(given), closed_correct(given)) == (old, ours)


@pytest.mark.parametrize(
    ("text", "truth", "f1"),
    [
        ("the left kidney", "left kidney", 4 / 5),  # 2 of 3 words, 2 of 2: 2 * 2 / (3 + 2)
        ("left left left", "left kidney", 2 / 5),  # the truth has one left
        ("a cyst of the liver", "left kidney", 0.0),
        ("Left kidney.", "left kidney", 1.0),
        ("", "left", 0.0),
        ("...", "", 1.0),
    ],
)
def test_f1_counts_each_word_as_often_as_it_stands_there(
    answer: Callable[..., Prediction], text: str, truth: str, f1: float
) -> None:
    assert open_f1(answer(text, truth, "open")) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("accuracy", ["closed", "open", "report"]),
        ("open_recall", ["open", "report"]),
        ("open_f1", ["open"]),
        ("legacy_substring", ["closed"]),
        ("bleu", ["report"]),
        ("rouge_l", ["report"]),
        ("meteor", ["report"]),
        ("completeness", ["open", "report"]),
        ("judge_accuracy", ["open"]),
        ("clinical_relevance", ["open", "report"]),
    ],
)
def test_each_metric_is_for_its_answer_types(
    answer: Callable[..., Prediction], name: str, kinds: list[str]
) -> None:
    asked = ("closed", "open", "report")
    assert [k for k in asked if get_metric(name).applies(answer("?", "?", k))] == kinds
