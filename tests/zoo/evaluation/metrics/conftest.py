"""Answers and verdicts in one line."""

from collections.abc import Callable
from typing import Any

import pytest

from zoo.records import Prediction, Verdict


@pytest.fixture
def answer() -> Callable[..., Prediction]:
    def make(text: str, truth: str, kind: str = "report", **changed: Any) -> Prediction:
        return Prediction(
            **{
                **dict(question_id="q", dataset="phantom", split="test", images=("a.png",), prompt="?"),
                **dict(truth=truth, answer_type=kind, question_type=kind, options=(), error_types=()),
                **dict(base="b@0", adapter="base", variant="base", digest="", answer=text, tokens=1),
                **changed,
            }
        )

    return make


@pytest.fixture
def verdict() -> Callable[..., Verdict]:
    def make(reply: str, task: str, facts: int = 0) -> Verdict:
        named = tuple(f"fact {n}" for n in range(facts))
        return Verdict(
            **dict(question_id="q", dataset="phantom", split="test", adapter="base", task=task),
            **dict(judge="invented", answer_sha256="", facts=named, reply=reply),
        )

    return make
