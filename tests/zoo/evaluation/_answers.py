"""Answers that nobody gave, right or wrong as a string says: `1101` is right, right, wrong, right."""

import hashlib
import json
from typing import Any

from zoo.records import Prediction, Verdict

BASE_PINNED = "phantom@" + "a" * 40


def answers(adapter: str, right: str, *, per_image: int = 1, **changes: Any) -> list[Prediction]:
    """One adapter's to a benchmark; `changes` are keys of every record, `variant` the adapter's name unless
    given."""
    found = []
    for number, digit in enumerate(right):
        image = number // per_image
        keys: dict[str, Any] = {
            "question_id": f"q{number}",
            "dataset": "phantom",
            "split": "test",
            "images": (f"scan-{image}.png",),
            "prompt": "Which side?",
            "truth": "left",
            "answer_type": "open",
            "question_type": "",
            "options": (),
            "error_types": (),
            "base": BASE_PINNED,
            "adapter": adapter,
            "variant": adapter,
            "digest": "" if adapter == "base" else hashlib.sha256(adapter.encode()).hexdigest(),
            "answer": "left" if digit == "1" else "right",
            "tokens": 2,
            "finish": "stop",
            "shown_digests": (hashlib.sha256(f"{image}".encode()).hexdigest(),),
        }
        found.append(Prediction(**keys | changes))
    return found


def verdict(p: Prediction, reply: Any, *, judge: str = "invented correct@1", **changes: Any) -> Verdict:
    """What a judge said of an answer: `reply` is JSON, or text that is none."""
    keys: dict[str, Any] = {
        "question_id": p.question_id,
        "dataset": p.dataset,
        "split": p.split,
        "adapter": p.adapter,
        "shown": p.shown,
        "task": "correct",
        "judge": judge,
        "answer_sha256": hashlib.sha256(p.answer.encode()).hexdigest(),
        "reply": reply if isinstance(reply, str) else json.dumps(reply),
    }
    return Verdict(**keys | changes)
