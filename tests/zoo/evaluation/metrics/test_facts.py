"""Completeness and contradiction on invented verdicts, worked by hand."""

import json
from collections.abc import Callable

import pytest

from zoo.evaluation.metrics import Statistics, get_metric
from zoo.evaluation.metrics.facts import labels
from zoo.records import Prediction, Verdict

E, P, N, C = "1. Entailment", "2. Partial Entailment", "3. Neutral", "4. Contradiction"
Scored = Callable[[str, str, int], Statistics | None]


@pytest.fixture
def scored(answer: Callable[..., Prediction], verdict: Callable[..., Verdict]) -> Scored:
    def of(metric: str, reply: str, facts: int) -> Statistics | None:
        return get_metric(metric).statistics(answer("?", "?"), verdict(reply, "facts", facts))

    return of


@pytest.mark.parametrize(
    ("reply", "facts", "complete", "contradicted"),
    [
        (json.dumps([E, P, N, C]), 4, 0.375, 0.25),  # (1 + 0.5) / 4 and 1 / 4
        (json.dumps(["Entailment", "Neutral", "Neutral"]), 3, 0.3333, 0.0),  # 1/3, four places
        (json.dumps(["1. Contradiction", "2.contradiction", "neutral"]), 3, 0.0, 0.6667),
        (json.dumps(["partial entailment", " PARTIAL ENTAILMENT ", "entailment"]), 3, 0.6667, 0.0),
        (json.dumps(["12. Entailment"]), 1, 1.0, 0.0),
        ("[]", 0, 0.0, 0.0),
        ("", 0, 0.0, 0.0),  # no facts: nothing was asked
    ],
)
def test_shares_of_the_facts_by_hand(
    scored: Scored, reply: str, facts: int, complete: float, contradicted: float
) -> None:
    for suffix in ("", "_released"):
        assert scored("completeness" + suffix, reply, facts) == (complete, 1.0)
        assert scored("contradiction" + suffix, reply, facts) == (contradicted, 1.0)


@pytest.mark.parametrize(
    ("reply", "facts", "complete", "contradicted"),
    [
        ("I cannot judge that.", 2, 0.0, 0.0),
        ("", 2, 0.0, 0.0),
        ("[" * 100_000, 2, 0.0, 0.0),
        (f"Here they are: {json.dumps([E, C])}", 2, 0.0, 0.0),
        ('{"labels": ["Entailment", "Contradiction"]}', 2, 0.0, 0.0),
        (json.dumps([E]), 4, 0.25, 0.0),  # three are missing: 1 of 4
        (json.dumps([E, C, N]), 2, 0.5, 0.5),  # one too many
        (json.dumps([E, "Maybe", C, None]), 4, 0.25, 0.25),
        (json.dumps([["Entailment"], C]), 2, 0.0, 0.5),
        (json.dumps([E, "Maybe", C]), 2, 0.5, 0.5),  # two labels, but of which facts
    ],
)
def test_what_cannot_be_read_has_failed_and_scores_nothing_but_as_the_released_code_counts(
    scored: Scored, reply: str, facts: int, complete: float, contradicted: float
) -> None:
    assert labels(reply, facts=facts) is None
    assert scored("completeness", reply, facts) is None
    assert scored("contradiction", reply, facts) is None
    assert scored("completeness_released", reply, facts) == (complete, 1.0)
    assert scored("contradiction_released", reply, facts) == (contradicted, 1.0)


def test_a_fenced_list_is_read_though_the_released_code_does_not(scored: Scored) -> None:
    reply = f"Labels:\n```json\n{json.dumps([E, C])}\n```"
    assert labels(reply, facts=2) == ["entailment", "contradiction"]
    assert scored("completeness", reply, 2) == (0.5, 1.0)
    assert scored("completeness_released", reply, 2) == (0.0, 1.0)
    assert labels(f"{reply}\n{reply}", facts=2) is None  # which of two is not guessed
