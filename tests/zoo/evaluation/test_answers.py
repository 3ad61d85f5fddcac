"""Stored answers in order: pools, subsets, who is SFT."""

from dataclasses import replace
from typing import Any

import pytest

from tests.zoo.evaluation._answers import answers
from zoo.errors import BadInput
from zoo.evaluation.answers import (
    asked,
    benchmark_fingerprint,
    benchmarks,
    by_base,
    pools,
    sft_adapter,
    subsets,
)


def test_subsets_come_as_the_whole_answer_types_error_types_and_question_types() -> None:
    one, two, three = answers("base", "111")
    questions = [
        replace(one, answer_type="open", question_type="side", error_types=("SLC", "AM")),
        replace(two, answer_type="closed", question_type="plane"),
        replace(three, answer_type="closed"),
    ]
    assert list(subsets(questions).items()) == [
        ("all", [0, 1, 2]),
        ("closed", [1, 2]),
        ("open", [0]),
        ("AM", [0]),
        ("SLC", [0]),
        ("plane", [1]),
        ("side", [0]),
    ]


def test_adapters_of_one_variant_are_a_pool_unless_two_have_one_seed() -> None:
    found = [
        *answers("base", "1"),
        *answers("a", "1", variant="mdpo"),
        *answers("b", "1", variant="mdpo", seed=1),
        *answers("c", "1", variant="dpo", seed=1),
    ]
    assert pools(found) == {"base": ["base"], "mdpo": ["a", "b"], "dpo": ["c"]}
    with pytest.raises(BadInput, match="b and d are of one variant and one seed, 1"):
        pools([*found, *answers("d", "1", variant="mdpo", seed=1)])


def test_sft_goes_by_the_name_under_which_it_is_scored() -> None:
    two = [*answers("x", "1", variant="sft"), *answers("y", "1", variant="sft", seed=1), *answers("z", "1")]
    assert sft_adapter(two[:1]) == "x"
    assert sft_adapter(two[2:]) is None
    assert sft_adapter(two, "y") == "y"
    assert sft_adapter(two, pool=True) == "sft"
    assert sft_adapter(two, "y", pool=True) == "sft"
    assert sft_adapter(two, "z", pool=True) == "z"
    with pytest.raises(BadInput, match="several SFT adapters: x, y"):
        sft_adapter(two)
    with pytest.raises(BadInput, match="no adapter is named 'w' among x, y, z"):
        sft_adapter(two, "w", pool=True)


def test_questions_are_sorted_each_once_whoever_answered() -> None:
    found = [*answers("base", "11")[::-1], *answers("sft", "01"), *answers("sft", "1", shown="noise")]
    assert [p.question_id for p in asked(benchmarks(found).values())] == ["q0", "q1"]
    odd = [*answers("base", "1"), *answers("base", "1", shown="noise", prompt="Which?")]
    with pytest.raises(
        BadInput, match="base and base were not asked the same under q0 of phantom/test: prompt is another"
    ):
        asked(benchmarks(odd).values())


def test_pictures_of_one_name_and_other_pixels_are_not_compared() -> None:
    base, other = answers("base", "11"), answers("mdpo", "11", shown_digests=("f" * 64,))
    with pytest.raises(BadInput, match=r"base and mdpo saw other pixels under scan-0\.png of phantom/test"):
        asked([{p.adapter: {p.question_id: p}} for p in (*base, *other)])
    unknown, noisy = replace(other[0], shown_digests=()), replace(other[0], shown="noise")
    assert asked([{"x": {"q0": p}} for p in (unknown, base[0], noisy)]) == [unknown]


@pytest.mark.parametrize("changes", [{"dataset": "slake"}, {"shown": "noise"}, {}])
def test_two_weights_of_one_name_are_not_one_adapter(changes: dict[str, Any]) -> None:
    found = [*answers("mdpo", "11"), *answers("mdpo", "00", digest="e" * 64, **changes)]
    with pytest.raises(BadInput, match=r"two adapters are named mdpo: weights [0-9a-f]{12} and eeeeeeeeeeee"):
        benchmarks(found)


def test_answers_are_parted_by_base() -> None:
    found = [*answers("base", "1"), *answers("base", "0", base="other@1"), *answers("sft", "1")]
    assert [[p.adapter for p in of_base] for of_base in by_base(found).values()] == [
        ["base", "sft"],
        ["base"],
    ]


def test_a_fingerprint_is_of_the_pictures_too_and_an_ablation_does_not_move_it() -> None:
    own = answers("base", "11")
    noise = answers("base", "1", shown="noise", shown_digests=("f" * 64,))
    assert benchmark_fingerprint([*own, *noise]) == benchmark_fingerprint(own)
    assert benchmark_fingerprint(
        [replace(own[0], shown_digests=("f" * 64,)), own[1]]
    ) != benchmark_fingerprint(own)
