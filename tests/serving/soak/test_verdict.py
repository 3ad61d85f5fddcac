"""The soak's judge finds every kind of wrong answer: a judge that finds nothing proves nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.serving.soak.fingerprints import Fingerprint
from tests.serving.soak.shelf import Commit
from tests.serving.soak.verdict import Heard, faults_of

FIRST = Commit("soak/a", "1" * 40, Fingerprint(Path(), " one", "d1"), 0.0, 1.0)
SECOND = Commit("soak/a", "2" * 40, Fingerprint(Path(), " two", "d2"), 10.0, 11.0)
OTHER = Commit("soak/b", "3" * 40, Fingerprint(Path(), "tri", "d3"), 0.0, 1.0)
SHELF = {"soak/a": [FIRST, SECOND], "soak/b": [OTHER]}
RIGHT = Heard(
    asked="soak/a",
    repo="soak/a",
    sha="1" * 40,
    digest="d1",
    text="one one one",
    tokens=3,
    most=3,
    question=(0, "?"),
    headers=(f"soak/a@{'1' * 40}", "d1"),
    hub_unreachable=False,
    began=5.0,
    ended=6.0,
)
OF_BASE = replace(
    RIGHT, asked="base", repo="m/p", sha="9" * 40, digest="", headers=None, text="A small", tokens=2
)


def _faults(heard):
    return faults_of(heard, SHELF, {(0, "?"): "A small nodule."}, resolved_for_s=1.0)


@pytest.mark.parametrize(
    "right",
    [
        RIGHT,
        replace(RIGHT, headers=None),
        replace(RIGHT, tokens=None, text="one o"),
        replace(RIGHT, asked=f"soak/a@{'1' * 40}", began=20.0, ended=21.0),
        replace(RIGHT, began=10.5, ended=12.0),
        replace(RIGHT, began=11.9, ended=12.0),
        replace(RIGHT, began=90.0, ended=91.0, hub_unreachable=True),
        OF_BASE,
    ],
)
def test_a_right_answer_is_let_through(right):
    assert _faults(right) == []


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"text": "one one two"}, "it said 'one one two'"),
        ({"text": "tritritri"}, "it said 'tritritri'"),
        ({"text": "one one"}, "it said 'one one'"),
        ({"text": "one two", "tokens": None}, "it said 'one two'"),
        ({"text": ""}, "it said ''"),
        ({"tokens": 2}, "2 tokens are stated for 3"),
        ({"digest": "d2", "headers": None}, "not d2"),
        ({"headers": (f"soak/a@{'1' * 40}", "d2")}, "its headers say"),
        ({"headers": (f"soak/b@{'1' * 40}", "d1")}, "its headers say"),
        ({"asked": "soak/b"}, f"soak/b was asked and soak/a@{'1' * 40} answered"),
        ({"asked": f"soak/a@{'2' * 40}"}, "was asked and"),
        ({"sha": "4" * 40, "headers": None}, "has no commit"),
        ({"began": 12.1, "ended": 13.0}, "was not at"),
        ({"began": -3.0, "ended": -2.0}, "was not at"),
    ],
)
def test_a_wrong_answer_is_found(wrong, fault):
    (found,) = _faults(replace(RIGHT, **wrong))
    assert fault in found


@pytest.mark.parametrize("wrong", [{"text": "one one"}, {"text": ""}, {"digest": "d1"}])
def test_a_wrong_answer_of_the_base_is_found(wrong):
    assert len(_faults(replace(OF_BASE, **wrong))) == 1
