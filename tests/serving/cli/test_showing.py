import re
from dataclasses import dataclass, field, replace

import pytest

from serving.cli.showing import printable, show_one, show_several
from serving.core.requests import AdapterId, Answer, Comparison
from zoo.asking import Piece
from zoo.errors import EngineFailed
from zoo.notice import NOTICE


def answer(asked: str, text: str, **more) -> Answer:
    known = {
        "adapter": AdapterId(f"local/{asked}", "1" * 40, "" if asked == "base" else "d" * 64),
        "variant": asked,
        "base": "phantom@" + "a" * 40,
        "seed": 0,
        "load": 1,
        "finish": "stop",
        "tokens": 3,
        "prompt_tokens": 9,
        "first_token_ms": 100,
        "milliseconds": 250,
    }
    return Answer(asked=asked, text=text, **(known | more))


@dataclass
class Said:
    """A stream that says each answer in words, in turn."""

    answers: list[Answer]
    error: Exception | None = None
    answering: list[Answer] = field(init=False)

    def __post_init__(self):
        self.answering = self.answers

    def __iter__(self):
        for row, one in enumerate(self.answers):
            for number, word in enumerate(re.findall(r"\s*\S+", one.text)):
                yield Piece(row, word, number + 1)
        if self.error:
            raise self.error

    def result(self):
        return Comparison(question="Q", answers=tuple(self.answers), milliseconds=300)


def test_one_answer_is_all_that_stdout_gets(capsys):
    show_one(Said([answer("mdpo", "a nodule on\nthe left")]))
    out, err = capsys.readouterr()
    assert out == "a nodule on\nthe left\n"
    assert err == f"mdpo  local/mdpo@{'1' * 40} · sha256 dddddddddddd · 3 tokens · 0.25 s\n{NOTICE}\n"


def test_several_answers_stand_in_blocks_under_who_gave_them(capsys):
    cut = answer("sft", "a mass on\nthe left", finish="length", left_off=4, tokens=1, seed=5)
    cut = replace(cut, asked="me/x@v1", hub_unreachable=True)
    show_several(Said([answer("base", "a nodule"), cut]))
    out, err = capsys.readouterr()
    assert out == (
        f"base  local/base@{'1' * 40} · no adapter · 3 tokens · 0.25 s\n  a nodule\n\n"
        f"me/x@v1 (sft)  local/sft@{'1' * 40} · sha256 dddddddddddd · 1 token · 0.25 s · seed 5 · "
        "cut short · an unfinished sentence left off · Hub out of reach: last known commit\n"
        "  a mass on\n  the left\n\n"
    )
    assert err == f"{NOTICE}\n"


def test_on_a_terminal_the_last_words_of_each_come_on_a_line_and_give_way_to_the_blocks(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "24")
    show_several(Said([answer("base", "left"), answer("mdpo", "a nodule in the upper zone 肺 肺")]))
    out = capsys.readouterr().out
    frames = out.split("\x1b[2F\x1b[J")
    assert frames[1:3] == ["base  left\nmdpo  \n", "base  left\nmdpo  a\n"]
    assert frames[-2] == "base  left\nmdpo   upper zone 肺 肺\n"
    assert all(len(line) <= 23 for frame in frames[1:-1] for line in frame.splitlines())
    assert frames[-1].startswith("\x1b[1mbase\x1b[0m  local/base@")


def test_an_answer_that_breaks_off_leaves_the_error_a_line_of_its_own(capsys):
    with pytest.raises(EngineFailed):
        show_one(Said([answer("mdpo", "a nod")], error=EngineFailed("the engine failed")))
    assert capsys.readouterr().out == "a nod\n"


def test_no_word_of_a_model_is_a_command_to_the_terminal():
    assert printable("a\x1b[2Jb\x07\r\x9bc\u202e\td\n") == "a�[2Jb���c�\td\n"
