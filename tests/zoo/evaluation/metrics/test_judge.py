"""Replies of a word or a number: read as they are, or not at all."""

from collections.abc import Callable

import pytest

from zoo.evaluation.metrics import get_metric
from zoo.evaluation.metrics.judge import relevance, says_correct
from zoo.records import Prediction, Verdict


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("true", True),
        (" False.\n", False),
        ("TRUE", True),
        ('{"correct": true}', True),
        ('```json\n{"correct": false}\n```', False),
        ("", None),
        ("yes", None),
        ("1", None),
        ("true, since both name the left", None),
        ('{"correct": 1}', None),
        ('{"correct": true, "sure": false}', None),
    ],
)
def test_right_or_wrong_is_read_only_where_it_is_said_alone(reply: str, said: bool | None) -> None:
    assert says_correct(reply) is said


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ('{"relevance": 0.75}', 0.75),
        ('{"relevance": 1}', 1.0),
        ('```\n{"relevance": 0}\n```', 0.0),
        ("0.75", None),
        ('{"relevance": 1.5}', None),
        ('{"relevance": -0.1}', None),
        ('{"relevance": true}', None),
        ('{"relevance": "0.5"}', None),
        ('{"relevance": NaN}', None),
        ('{"relevance": 0.5, "why": "?"}', None),
        ("[" * 100_000, None),  # deeper than JSON is read
    ],
)
def test_a_grade_is_a_number_from_0_to_1(reply: str, grade: float | None) -> None:
    assert relevance(reply) == grade


@pytest.mark.parametrize(
    ("name", "task", "reply", "adds"),
    [
        ("judge_accuracy", "correct", "true", (1.0, 1.0)),
        ("judge_accuracy", "correct", "false", (0.0, 1.0)),
        ("judge_accuracy", "correct", "who knows", None),
        ("clinical_relevance", "relevance", '{"relevance": 0.25}', (0.25, 1.0)),
        ("clinical_relevance", "relevance", "0.25", None),
    ],
)
def test_what_a_reply_adds_to_the_mean(
    answer: Callable[..., Prediction],
    verdict: Callable[..., Verdict],
    name: str,
    task: str,
    reply: str,
    adds: tuple[float, float] | None,
) -> None:
    metric = get_metric(name)
    assert metric.task == task
    assert metric.statistics(answer("?", "?", "open"), verdict(reply, task)) == adds
