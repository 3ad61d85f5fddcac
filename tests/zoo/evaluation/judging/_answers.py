"""Invented answers for the judges' tests."""

from typing import Any

from zoo.records import Prediction


def answer(text: str, truth: str = "left lung", **changes: Any) -> Prediction:
    values: dict[str, Any] = {
        "question_id": "q/1",
        "dataset": "phantom",
        "split": "test",
        "images": ("scan.png",),
        "prompt": "Where is it?",
        "truth": truth,
        "answer_type": "open",
        "question_type": "side",
        "options": (),
        "error_types": (),
        "base": "phantom@0",
        "adapter": "base",
        "variant": "base",
        "digest": "",
        "answer": text,
        "tokens": 3,
    }
    return Prediction(**values | changes)
