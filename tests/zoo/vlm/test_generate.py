"""Whole answers: greedy ones read no seed, sampled ones their own."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from zoo.asking import Sampling
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.vlm.decode import Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel


@pytest.fixture
def asked(questions: QuestionSet, features: Sequence[ImageFeatures]) -> list[tuple[ImageFeatures, str]]:
    return [(f, q.prompt) for f, q in zip(features, questions.questions, strict=True)]


def rows(asked: list[tuple[ImageFeatures, str]], *, first: int = 0, temperature: float = 1.5) -> list[Row]:
    """A sampled row for each, with seeds from `first` on."""
    return [
        Row(f, prompt, sampling=Sampling(temperature=temperature, seed=first + n))
        for n, (f, prompt) in enumerate(asked)
    ]


def test_the_same_batch_and_seeds_give_the_same_samples_and_other_seeds_others(
    vlm: VisionLanguageModel, asked: list[tuple[ImageFeatures, str]]
) -> None:
    drawn = generate(vlm, rows(asked))
    assert generate(vlm, rows(asked)) == drawn
    assert generate(vlm, rows(asked, first=100)) != drawn


def test_a_rows_sample_does_not_depend_on_the_rows_beside_it(
    vlm: VisionLanguageModel, asked: list[tuple[ImageFeatures, str]]
) -> None:
    together = generate(vlm, rows(asked))
    alone = [generate(vlm, [row])[0] for row in rows(asked)]
    assert (
        sum(a == b for a, b in zip(together, alone, strict=True)) >= len(asked) - 1
    )  # the last digits differ
    assert generate(vlm, rows(asked)[::-1])[::-1] == together
    beside_greedy = [replace(row, sampling=Sampling()) if n % 2 else row for n, row in enumerate(rows(asked))]
    assert generate(vlm, beside_greedy)[::2] == together[::2]


def test_greedy_answers_read_no_seed_and_a_low_temperature_comes_to_them(
    vlm: VisionLanguageModel, asked: list[tuple[ImageFeatures, str]]
) -> None:
    greedy = generate(vlm, [Row(f, prompt) for f, prompt in asked])
    assert generate(vlm, rows(asked, temperature=0)) == greedy
    assert generate(vlm, rows(asked, temperature=1e-4)) == greedy


def test_no_rows_have_no_answers(vlm: VisionLanguageModel) -> None:
    assert generate(vlm, []) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", -1.0), ("temperature", float("nan")), ("top_p", 0.0), ("max_tokens", 0), ("seed", -1)],
)
def test_numbers_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(BadInput, match=f"{name} "):
        Sampling(**{name: value})
