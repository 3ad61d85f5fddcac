"""Answers and verdicts in one line."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from zoo.records import AnswerType, Prediction, Task, Verdict


@pytest.fixture
def answer() -> Callable[..., Prediction]:
    def make(text: str, truth: str, kind: AnswerType = "report", **changed: Any) -> Prediction:
        made = Prediction(
            question_id="q",
            dataset="phantom",
            split="test",
            images=("a.png",),
            prompt="?",
            truth=truth,
            answer_type=kind,
            question_type=kind,
            options=(),
            error_types=(),
            base="b@0",
            adapter="base",
            variant="base",
            digest="",
            answer=text,
            tokens=1,
        )
        return replace(made, **changed)

    return make


@pytest.fixture
def verdict() -> Callable[..., Verdict]:
    def make(reply: str, task: Task, facts: int = 0) -> Verdict:
        return Verdict(
            question_id="q",
            dataset="phantom",
            split="test",
            adapter="base",
            task=task,
            judge="invented",
            answer_sha256="",
            facts=tuple(f"fact {n}" for n in range(facts)),
            reply=reply,
        )

    return make
