"""Answers from a file: by question id, complete or refused, and named by what the file holds."""

import hashlib
import json
from pathlib import Path

import pytest

from training.pairs.answers import FileAnswers
from training.pairs.step import Policy, Request
from zoo.errors import BadInput, BadRecord


def ask(*ids: str) -> list[Request]:
    return [Request(question_id=i, images=(), prompt="?", seed=0) for i in ids]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lines = [
        {"question_id": "a", "answers": ["left", "right", "both"]},
        {"question_id": "b", "answers": ["CT"]},
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_first_answer_is_the_greedy_one_and_the_first_n_are_the_samples(path: Path) -> None:
    policy: Policy = FileAnswers(path)
    assert policy.answers(ask("b", "a", "b")) == ["CT", "left", "CT"]
    assert policy.samples(ask("a"), n=2, temperature=1.0) == [["left", "right"]]
    assert policy.can_judge is False
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert policy.name == f"answers of answers.jsonl sha256:{digest[:12]}"


def test_questions_without_a_line_are_counted_and_the_first_is_named(path: Path) -> None:
    with pytest.raises(BadRecord, match=r"no answers to 2 of 3 questions, the first of them 'x'"):
        FileAnswers(path).answers(ask("a", "x", "y"))


def test_too_few_samples_are_refused_with_how_many_there_are(path: Path) -> None:
    with pytest.raises(BadRecord, match=r"has 1 answers to 'b', and 3 are asked for; 1 of 2 questions"):
        FileAnswers(path).samples(ask("a", "b"), n=3, temperature=1.0)


def test_a_file_has_no_attention(path: Path) -> None:
    with pytest.raises(BadInput, match="no attention"):
        FileAnswers(path).attention(ask("a"))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "answers.jsonl:3: line: Invalid JSON"),
        ('{"question_id": "c", "answers": []}', "answers.jsonl:3: answers: List should have at least 1"),
        ('{"question_id": "c", "answers": "CT"}', "answers.jsonl:3: answers: Input should be a valid"),
        ('{"question_id": "a", "answers": ["CT"]}', "answers.jsonl:3: a second line for the question 'a'"),
    ],
)
def test_a_broken_line_is_refused_by_its_number(path: Path, line: str, wrong: str) -> None:
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(BadRecord, match=wrong):
        FileAnswers(path)
    with pytest.raises(BadRecord, match="no such file"):
        FileAnswers(path.with_name("none"))
