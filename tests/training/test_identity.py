"""Two runs that differ are told apart by the first thing in which they do."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.identity import difference, open_job
from zoo.errors import BadInput

A, B = "a" * 40, "b1" * 32


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ({"seed": 0}, {"seed": 0}, ""),
        ({"pairs": None}, {}, ""),
        ({"seed": 0, "rank": 4}, {"seed": 1, "rank": 8}, "seed is 1 here, and the run in out has 0"),
        (
            {"changes": {"epochs": 1, "rank": 4}},
            {"changes": {"epochs": 2, "rank": 4}},
            "epochs is 2 here, and the run in out has 1",
        ),
        ({"changes": {}}, {"changes": {"rank": 4}}, "rank is 4 here, and the run in out was not given it"),
        ({"changes": {"rank": 4}}, {"changes": {}}, "rank is not given here, and the run in out has 4"),
        (
            {"objective": [{"beta": 0.1}, {"weight": 1.0}]},
            {"objective": [{"beta": 0.1}, {"weight": 2.0}]},
            "weight is 2.0 here, and the run in out has 1.0",
        ),
        (
            {"stages": ["povid"]},
            {"stages": ["sft", "povid"]},
            'stages is ["sft", "povid"] here, and the run in out has ["povid"]',
        ),
        ({"questions": A}, {"questions": B}, "questions: another here than in the run in out"),
        ({"start": "base"}, {"start": B}, f"start is {B[:12]} here, and the run in out has base"),
        (
            {"base": f"phantom@{A} float32"},
            {"base": f"phantom@{A} bfloat16"},
            f"base is phantom@{A[:12]} bfloat16 here, and the run in out has phantom@{A[:12]} float32",
        ),
    ],
)
def test_the_first_difference_is_told_by_its_own_name(
    was: dict[str, Any], now: dict[str, Any], told: str
) -> None:
    assert difference(was, now, where=Path("out")) == told


def test_a_list_may_grow_and_all_that_it_ever_held_are_written_down(tmp_path: Path) -> None:
    path = tmp_path / "all" / "several.json"
    open_job(path, {"seed": 0}, variants=["mdpo", "sft"])
    open_job(path, {"seed": 0}, variants=["dpo", "sft"])
    assert json.loads(path.read_text()) == {"seed": 0, "variants": ["mdpo", "sft", "dpo"]}
    with pytest.raises(BadInput) as refused:
        open_job(path, {"seed": 1}, variants=["rrpo"])
    assert refused.value.message == f"seed is 1 here, and the run in {path.parent} has 0"
    assert refused.value.hint == (
        "go on with the command of that run, or choose another --out; several.json names its variants"
    )
    assert json.loads(path.read_text()) == {"seed": 0, "variants": ["mdpo", "sft", "dpo"]}
